package manage_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/system"
	"gatehouse/idp/store"
)

// named adds somebody with a name.
func (o *office) named(t *testing.T, population, email, name string) idp.User {
	t.Helper()
	u, err := o.People.CreateUser(t.Context(), people.NewUser{Population: population, Email: email, Name: name})
	idptest.Must(t, err)
	return u
}

// all reads a list to its end, page by page; between is called before each page but
// the first.
func all(t *testing.T, o *office, q people.UserQuery, between func()) []people.UserEntry {
	t.Helper()
	var list []people.UserEntry
	for {
		page, next, err := o.People.Users(t.Context(), everything(), q)
		idptest.Must(t, err)
		list = append(list, page...)
		if next == "" {
			return list
		}
		if len(page) != q.Limit {
			t.Fatalf("a page of %d, and another one after it", len(page))
		}
		q.After = next
		between()
	}
}

func emails(list []people.UserEntry) []string {
	var texts []string
	for _, e := range list {
		texts = append(texts, e.Email)
	}
	return texts
}

func TestPeopleAreFoundByAnyPartOfAName(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		o.named(t, idp.Agents, "maya@rtx.example", "Maya Rodríguez")
		o.named(t, idp.Agents, "z.zoe@rtx.example", "Zoë O'Brien")
		o.named(t, idp.Contacts, "maya@customer.example", "Maya Müller-Straße")
		o.named(t, idp.Contacts, "li@customer.example", "李 雷")
		o.named(t, idp.Contacts, "taro@sub.deep.example", "山田太郎")
		o.named(t, idp.Contacts, "maria@customer.example", "Maria Maya Marianne")
		for prefix, want := range map[string]string{
			"maya":                          "maria@customer.example maya@customer.example maya@rtx.example",
			"MAYA ":                         "maria@customer.example maya@customer.example maya@rtx.example",
			"ｍａｙａ":                          "maria@customer.example maya@customer.example maya@rtx.example",
			"maya@":                         "maya@customer.example maya@rtx.example",
			"maya@r":                        "maya@rtx.example",
			"m":                             "maria@customer.example maya@customer.example maya@rtx.example",
			"z":                             "z.zoe@rtx.example",
			"zoe":                           "z.zoe@rtx.example",
			"ZOË":                           "z.zoe@rtx.example",
			"Zoe\u0308":                     "z.zoe@rtx.example",
			"o'b":                           "z.zoe@rtx.example",
			"brien":                         "z.zoe@rtx.example",
			"rodriguez":                     "maya@rtx.example",
			"maya rod":                      "maya@rtx.example",
			"rod maya":                      "maya@rtx.example",
			"  rod\t maya@ ":                "maya@rtx.example",
			"muller":                        "maya@customer.example",
			"strasse":                       "maya@customer.example",
			"müller-str":                    "maya@customer.example",
			"李":                             "li@customer.example",
			"雷":                             "li@customer.example",
			"maria mar":                     "maria@customer.example",
			"aya":                           "maria@customer.example maya@customer.example maya@rtx.example",
			"aya rigu":                      "maya@rtx.example",
			"rigu aya":                      "maya@rtx.example",
			"ya":                            "",
			"aria":                          "maria@customer.example",
			"aya@rtx":                       "",
			"rtx":                           "maya@rtx.example z.zoe@rtx.example",
			"@RTX.example":                  "maya@rtx.example z.zoe@rtx.example",
			"zoe@rtx":                       "z.zoe@rtx.example",
			"tx.example":                    "",
			"deep.example":                  "taro@sub.deep.example",
			"example":                       "",
			"太":                             "taro@sub.deep.example",
			"田太":                            "taro@sub.deep.example",
			"太郎 taro":                       "taro@sub.deep.example",
			"田山":                            "",
			"maya zoe":                      "",
			"maya%":                         "",
			"_aya":                          "",
			"'; DROP TABLE":                 "",
			"maya\x00":                      "",
			"\x00":                          "",
			"maya\xff":                      "",
			"\xff\xfe":                      "",
			"\u202e":                        "",
			strings.Repeat("a ", 200) + "q": "",
		} {
			list := all(t, o, people.UserQuery{Prefix: prefix, Limit: 2}, func() {})
			got := emails(list)
			slices.Sort(got)
			if strings.Join(got, " ") != want {
				t.Errorf("%q finds %v, want %v", prefix, got, want)
			}
		}
		o.named(t, idp.Contacts, "jo@customer.example", "Johanna Hann")
		o.named(t, idp.Contacts, "hanna@customer.example", "Hanna")
		for limit := 1; limit < 4; limit++ {
			list := emails(all(t, o, people.UserQuery{Prefix: "hann", Limit: limit}, func() {}))
			if want := []string{"jo@customer.example", "hanna@customer.example"}; !slices.Equal(list, want) {
				t.Errorf("by %d: %v, want %v", limit, list, want)
			}
			list = emails(all(t, o, people.UserQuery{Prefix: "anna", Limit: limit}, func() {}))
			if want := []string{"hanna@customer.example", "jo@customer.example"}; !sameEmails(list, want) {
				t.Errorf("by %d: %v, want %v", limit, list, want)
			}
		}
		if list := all(t, o, people.UserQuery{Prefix: "maya", Population: idp.Agents, Limit: 1}, func() {}); len(list) != 1 {
			t.Errorf("among agents: %v", emails(list))
		}
		expectField(t, "10 kB", third(o.People.Users(t.Context(), everything(), people.UserQuery{Prefix: strings.Repeat("m", 10_000)})), "prefix")
	})
}

func sameEmails(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func TestHostileQueriesFindNothingAndBreakNothing(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		o.person(t, idp.Agents)
		ctx := t.Context()
		for _, bad := range []string{"\x00", "a\xff", "' OR 1=1 --", strings.Repeat("x", 10_000)} {
			for name, err := range map[string]error{
				"population": third(o.People.Users(ctx, everything(), people.UserQuery{Population: bad})),
				"role":       third(o.People.Users(ctx, everything(), people.UserQuery{Role: bad})),
				"person":     second(o.People.UserDetail(ctx, everything(), bad)),
				"sessions":   third(o.People.ListSessions(ctx, everything(), people.SessionQuery{UserID: bad, Population: bad})),
				"audit":      third(o.System.Audit(ctx, everything(), system.AuditQuery{ActorID: bad, Kind: idp.AuditKind(bad)})),
				"client":     second(o.Apps.Client(ctx, everything(), bad)),
				"role id":    o.Roles.DeleteRole(ctx, everything(), bad, 1, ticket),
				"lane":       second(o.System.RetryDeliveries(ctx, everything(), bad)),
				"brand":      second(o.Populations.Population(ctx, everything(), bad)),
			} {
				if err != nil && !isAny(err, idp.ErrNotFound, idp.ErrInvalid) {
					t.Errorf("%s %.20q: %v", name, bad, err)
				}
			}
			for name, err := range map[string]error{
				"people":   third(o.People.Users(ctx, everything(), people.UserQuery{After: entry.Cursor(bad)})),
				"sessions": third(o.People.ListSessions(ctx, everything(), people.SessionQuery{After: entry.Cursor(bad)})),
				"audit":    third(o.System.Audit(ctx, everything(), system.AuditQuery{After: entry.Cursor(bad)})),
				"clients":  third(o.Apps.Clients(ctx, everything(), entry.Cursor(bad), 0)),
			} {
				expectField(t, name, err, "after")
			}
		}
		o.person(t, idp.Agents)
		_, other, err := o.System.Audit(ctx, everything(), system.AuditQuery{Limit: 1})
		if idptest.Must(t, err); other == "" {
			t.Fatal("one page is all")
		}
		expectField(t, "another list's", third(o.People.Users(ctx, everything(), people.UserQuery{After: other})), "after")
		for _, limit := range []int{-1, 201} {
			expectField(t, "limit", third(o.People.Users(ctx, everything(), people.UserQuery{Limit: limit})), "limit")
		}
	})
}

// Everybody who is there all the time comes once, whoever comes and goes.
func TestPagesOfPeopleAreCompleteWhileOthersCome(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		wanted := map[string]bool{}
		for i := range 23 {
			u := o.named(t, idp.Agents, fmt.Sprintf("anna%02d@rtx.example", i), fmt.Sprintf("Anna Anderson %02d An%d", i, i))
			wanted[u.ID] = true
		}
		n := 0
		for _, q := range []people.UserQuery{
			{Limit: 5},
			{Limit: 5, Population: idp.Agents},
			{Limit: 4, Prefix: "an"},
			{Limit: 4, Prefix: "an anna", Population: idp.Agents},
			{Limit: 4, Prefix: "nna"},
			{Limit: 3, Prefix: "ders"},
			{Limit: 5, WithoutSecondStep: true},
		} {
			list := all(t, o, q, func() {
				n++
				o.named(t, idp.Agents, fmt.Sprintf("ann%d@rtx.example", n), "Anna Ant")
			})
			seen := map[string]int{}
			for _, e := range list {
				seen[e.ID]++
			}
			for id, times := range seen {
				if times != 1 {
					t.Errorf("%+v: %s came %d times", q, id, times)
				}
			}
			for id := range wanted {
				if seen[id] == 0 {
					t.Errorf("%+v: %s is missing", q, id)
				}
			}
		}
	})
}

func TestPeopleAreNarrowedDown(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		bare, set := o.person(t, idp.Agents, idp.RoleManager), o.enrolled(t, idp.Agents)
		contact := o.person(t, idp.Contacts)
		yes, no := true, false
		_, err := o.People.UpdateUser(ctx, everything(), contact.ID, people.UserChange{Version: 1, Disabled: &yes, Reason: ticket})
		idptest.Must(t, err)
		for name, c := range map[string]struct {
			query people.UserQuery
			want  []idp.User
		}{
			"everybody":             {people.UserQuery{}, []idp.User{bare, set, contact}},
			"agents":                {people.UserQuery{Population: idp.Agents}, []idp.User{bare, set}},
			"of a role":             {people.UserQuery{Role: idp.RoleManager}, []idp.User{bare}},
			"of a role, by name":    {people.UserQuery{Role: idp.RoleManager, Prefix: "maya"}, []idp.User{bare}},
			"without a second step": {people.UserQuery{WithoutSecondStep: true}, []idp.User{bare, contact}},
			"of those, agents":      {people.UserQuery{WithoutSecondStep: true, Population: idp.Agents}, []idp.User{bare}},
			"disabled":              {people.UserQuery{Disabled: &yes}, []idp.User{contact}},
			"not disabled":          {people.UserQuery{Disabled: &no, Prefix: "maya"}, []idp.User{bare, set}},
			"an invented role":      {people.UserQuery{Role: "invented"}, nil},
		} {
			c.query.Limit = 10
			got := emails(all(t, o, c.query, func() {}))
			var want []string
			for _, u := range c.want {
				want = append(want, u.Email)
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", name, got, want)
			}
		}
		idptest.Must(t, o.Factors.ResetMFA(ctx, everything(), set.ID, ticket))
		if list := all(t, o, people.UserQuery{WithoutSecondStep: true, Limit: 10}, func() {}); len(list) != 3 {
			t.Errorf("after a reset %d have no second step", len(list))
		}
	})
}

func TestListsAndPagesTellNoSecrets(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		u := o.enrolled(t, idp.Agents, idp.RoleManager)
		idptest.Must(t, o.People.SetPassword(ctx, everything(), u.ID, "gentle maple corner", ticket))
		s := o.signedIn(t, u)
		idptest.Must(t, o.db.Audit(ctx, idp.AuditEvent{Kind: idp.AuditSignedIn, UserID: u.ID}))
		list := all(t, o, people.UserQuery{Limit: 10}, func() {})
		e := list[0]
		if e.PasswordHash != "" || !e.Authenticator || !e.Recovery || !slices.Equal(e.Roles, []string{idp.RoleManager}) ||
			idp.Now().Sub(e.LastSignInAt) > time.Minute {
			t.Errorf("%+v", e)
		}
		d, err := o.People.UserDetail(ctx, everything(), u.ID)
		idptest.Must(t, err)
		if d.PasswordHash != "" || !d.PasswordSet || d.RecoveryLeft != 10 || len(d.Factors) != 2 || len(d.Roles) != 1 || d.Version != 1 {
			t.Errorf("%+v", d)
		}
		for _, f := range d.Factors {
			if f.Secret != nil {
				t.Errorf("%+v", f)
			}
		}
		if len(d.Sessions) != 1 || d.Sessions[0].ID != s.ID || d.Sessions[0].TokenHash != nil || d.Sessions[0].BrowserHash != nil {
			t.Errorf("%+v", d.Sessions)
		}
		if d, err = o.People.UserDetail(ctx, holder(idp.PermissionAgentRecovery), u.ID); err != nil || d.Sessions != nil {
			t.Errorf("who may recover sees sessions %+v, %v", d.Sessions, err)
		}
		// Those who may only recover see their own.
		o.person(t, idp.Contacts)
		for permission, population := range map[string]string{
			idp.PermissionAgentRecovery: idp.Agents, idp.PermissionContactReset: idp.Contacts,
		} {
			list, _, err := o.People.Users(ctx, holder(permission), people.UserQuery{})
			if err != nil || len(list) != 1 || list[0].PopulationID != population {
				t.Errorf("%s sees %+v, %v", permission, list, err)
			}
		}
	})
}

// People from before there were words, or whom another program wrote, are found once the
// job has seen them, two at a time and in parallel.
func TestPeopleOfBeforeBecomeSearchable(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		for range 3 {
			o.person(t, idp.Agents)
		}
		o.exec(t, "UPDATE users SET words = 0")
		o.exec(t, "DELETE FROM user_words")
		if list := all(t, o, people.UserQuery{Prefix: "maya", Limit: 10}, func() {}); len(list) != 0 {
			t.Fatalf("found %v", emails(list))
		}
		stores := []*store.Store{o.Store, o.db.Replica(t)}
		for _, err := range idptest.Race(4, func(i int) error { return second(stores[i%2].IndexUsers(t.Context(), 2)) }) {
			idptest.Must(t, err)
		}
		if list := all(t, o, people.UserQuery{Prefix: "maya", Limit: 10}, func() {}); len(list) != 3 {
			t.Errorf("found %v", emails(list))
		}
	})
}
