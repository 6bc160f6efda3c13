package admin

import (
	"maps"
	"slices"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/federation/certificate"
	"gatehouse/idp/keys"
	"gatehouse/idp/passkey"
	"gatehouse/idp/store"
	"gatehouse/ui"
)

const (
	// trendDays are how many days the overview shows.
	trendDays = 30
	// keyLate is how long after its time a signing key may still sign.
	keyLate = 7 * 24 * time.Hour
	// mailsGivenUp and heldBack are from how many a day mails that were given up, and tries that
	// had to wait, need a look: a few there always are.
	mailsGivenUp, heldBack = 10, 100
)

// happened fills in what happened, and what needs a look.
func (v *visit) happened(page *ui.ConsoleOverview, counted store.Tallies) error {
	n := needs{visit: v, now: idp.Now(), counted: counted}
	if v.actor.CanDo("Audit") {
		activity, err := v.console.Store.Activity(v.Request.Context(), today().AddDate(0, 0, 1-trendDays))
		if err != nil {
			return err
		}
		page.Trend = trendOf(activity, today())
		n.of(true, func() error { n.attacks(activity); return nil })
	}
	n.of(v.actor.CanDo("Deliveries"), n.deliveries)
	n.of(v.actor.CanDo("SigningKeys"), n.keys)
	n.of(v.actor.CanDo("Connections"), n.connections)
	n.of(v.actor.CanDo("Policy"), n.makers)
	n.of(v.actor.CanDo("Client"), n.secrets)
	slices.SortStableFunc(n.list, func(a, b ui.Need) int { return order(a.Soon) - order(b.Soon) })
	page.ShowNeeds, page.Needs = n.asked, n.list
	return n.err
}

func order(soon bool) int {
	if soon {
		return 1
	}
	return 0
}

// trendOf adds up hours to the days until last.
func trendOf(activity []store.Activity, last time.Time) *ui.Trend {
	first := last.AddDate(0, 0, 1-trendDays)
	t := &ui.Trend{Days: make([]ui.TrendDay, trendDays)}
	for i := range t.Days {
		t.Days[i].Day = first.AddDate(0, 0, i)
	}
	for _, a := range activity {
		i := int(a.Hour.Sub(first) / (24 * time.Hour))
		if i < 0 || i >= trendDays {
			continue
		}
		switch day := &t.Days[i]; {
		case a.Kind == idp.AuditSignedIn:
			day.SignIns += a.Times
		case a.Kind == store.ActivitySecondStep:
			day.SecondSteps += a.Times
		case slices.Contains(store.ActivityFailures(), string(a.Kind)):
			day.Failures += a.Times
		}
	}
	return t
}

// unusual tells whether the failures of a day are: there are at least 20, and more than three
// times as many as on a day of the week before. Without a week before, nobody knows.
func unusual(day, week int64, known bool) bool { return known && day >= 20 && day*7 > 3*week }

// needs collects what needs a look.
type needs struct {
	*visit
	now     time.Time
	counted store.Tallies
	asked   bool // of anything
	list    []ui.Need
	err     error
}

// of asks for what the viewer may see.
func (n *needs) of(may bool, ask func() error) {
	if may && n.err == nil {
		n.asked, n.err = true, ask()
	}
}

func (n *needs) add(text *ui.Message, url string) {
	n.list = append(n.list, ui.Need{Text: *text, URL: url})
}

// ends adds what ends within 30 days, or has ended.
func (n *needs) ends(soon, ended ui.Key, at time.Time, url string, args ...any) {
	args = append([]any{ui.Day(at)}, args...)
	switch {
	case !at.After(n.now):
		n.add(ended.With(args...), url)
	case at.Before(n.now.Add(endsSoon)):
		n.list = append(n.list, ui.Need{Text: *soon.With(args...), URL: url, Soon: true})
	}
}

// attacks are lockouts, and failures that are unusual.
func (n *needs) attacks(activity []store.Activity) {
	day, week := n.now.Truncate(time.Hour).Add(-23*time.Hour), n.now.Truncate(time.Hour).Add(-(24*8-1)*time.Hour)
	var lately, before, held int64
	known, kinds := false, map[idp.AuditKind]int64{}
	for _, a := range activity {
		failed := slices.Contains(store.ActivityFailures(), string(a.Kind))
		switch {
		case a.Hour.Before(week):
		case a.Hour.Before(day):
			known = true
			if failed {
				before += a.Times
			}
		case failed:
			lately += a.Times
			kinds[a.Kind] += a.Times
			if strings.HasSuffix(string(a.Kind), ".throttled") {
				held += a.Times
			}
		}
	}
	if n.counted.Stopped > 0 {
		n.add(ui.Key("console.need.stopped").With(ui.Count(n.counted.Stopped)), n.path("/audit?kind="+string(idp.AuditPasswordThrottled)))
	}
	if unusual(lately, before, known) {
		most := mostOf(kinds)
		n.add(ui.Key("console.need.failures").With(ui.Count(lately), ui.Count(before/7), n.kindText(most)), n.path("/audit?kind="+string(most)))
	}
	if held >= heldBack {
		n.add(ui.Key("console.need.throttled").With(ui.Count(held)), n.path("/audit?kind="+string(idp.AuditPasswordThrottled)))
	}
}

// mostOf is the kind that happened most often.
func mostOf(kinds map[idp.AuditKind]int64) (most idp.AuditKind) {
	for kind, times := range kinds {
		if times > kinds[most] || times == kinds[most] && kind < most {
			most = kind
		}
	}
	return most
}

// deliveries are mail that waits, and apps that do not take what they are told.
func (n *needs) deliveries() error {
	system := n.open("/system")
	mail := n.counted.Lanes[mailLane]
	if mail.Late > 0 {
		n.add(ui.Key("console.need.mail_late").With(ui.Count(mail.Late)), system)
	}
	if mail.Failed >= mailsGivenUp {
		n.add(ui.Key("console.need.mail_failed").With(ui.Count(mail.Failed)), system)
	}
	if late := n.counted.Lanes[requestLane].Late; late > 0 {
		n.add(ui.Key("console.need.requests_late").With(ui.Count(late)), system)
	}
	names, err := n.clientNames()
	for _, lane := range slices.Sorted(maps.Keys(n.counted.Lanes)) {
		trouble := n.counted.Lanes[lane]
		name, ok := names[lane]
		if failing := trouble.Retrying + trouble.Failed; ok && failing > 0 {
			url := system
			if n.actor.CanDo("Client") {
				url = n.path("/apps/" + lane + "/deliveries")
			}
			n.add(ui.Key("console.need.logout").With(ui.Count(failing), name), url)
		}
	}
	return err
}

// keys are signing keys that nothing has replaced, and the certificate of this server.
func (n *needs) keys() error {
	list, err := n.console.Store.SigningKeys(n.Request.Context())
	for _, k := range list {
		if due := k.SignsFrom.Add(keys.RotateAfter + keyLate); k.SignsUntil.IsZero() && due.Before(n.now) {
			n.add(ui.Key("console.need.key_old").With(string(k.Algorithm), ui.Day(due)), n.open("/system"))
		}
	}
	if n.console.Certificate != nil {
		if at := n.console.Certificate(); !at.IsZero() {
			n.ends("console.need.tls_ends", "console.need.tls_ended", at, "")
		}
	}
	return err
}

// connections are those whose certificate ends.
func (n *needs) connections() error {
	list, err := n.console.Store.Connections(n.Request.Context(), "")
	for _, c := range list {
		if parsed, wrong := certificate.Parse(c.Certificate); c.Enabled && c.Certificate != "" && wrong == nil {
			n.ends("console.need.connection_ends", "console.need.connection_ended", parsed.NotAfter, n.path("/authentication/"+c.PopulationID+"/connections/"+c.ID), c.Name)
		}
	}
	return err
}

// makers are the certificates by which user groups trust security keys.
func (n *needs) makers() error {
	list, err := n.console.Store.Populations(n.Request.Context())
	for _, p := range list {
		roots, _ := passkey.Roots(p.Policy.SecurityKeyRoots, time.Time{}) // what is wrong stands at the field
		for _, c := range roots {
			n.ends("console.need.maker_ends", "console.need.maker_ended", c.NotAfter, n.path("/authentication/"+p.ID+"/mfa"), n.populationName(p))
		}
	}
	return err
}

// secrets are those of apps of which the last ends.
func (n *needs) secrets() error {
	list, err := n.console.Store.Clients(n.Request.Context())
	for _, c := range list {
		var last time.Time
		for i := range c.SecretHashes {
			ends := c.SecretEnds(i)
			if last = later(last, ends); ends.IsZero() {
				last = time.Time{}
				break
			}
		}
		if !last.IsZero() && c.AuthMethod.Secret() {
			n.ends("console.need.secret_ends", "console.need.secret_ended", last, n.path("/apps/"+c.ID+"/secrets"), c.Name)
		}
	}
	return err
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
