package manage

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"gatehouse/idp"
	"gatehouse/idp/settings"
	"gatehouse/idp/store"
)

// PopulationEntry is a population as it is managed. Without the permission to
// change authentication, only its id, name and brand are filled in.
type PopulationEntry struct {
	idp.Population
	// Version is what a change of the brand is compared with; its policy has a
	// version of its own.
	Version int64
}

// Populations reads all populations, in the order of their ids.
func (m *Manager) Populations(ctx context.Context, a Actor) ([]PopulationEntry, error) {
	if err := m.allow(ctx, a, request{op: "Populations"}); err != nil {
		return nil, err
	}
	return m.populations(ctx, a, "")
}

// Population reads one population.
func (m *Manager) Population(ctx context.Context, a Actor, id string) (PopulationEntry, error) {
	if err := m.allow(ctx, a, request{op: "Population"}); err != nil {
		return PopulationEntry{}, err
	}
	return m.population(ctx, a, id)
}

func (m *Manager) population(ctx context.Context, a Actor, id string) (PopulationEntry, error) {
	list, err := m.populations(ctx, a, id)
	if err != nil {
		return PopulationEntry{}, err
	}
	if len(list) == 0 || id == "" {
		return PopulationEntry{}, fmt.Errorf("population: %w", idp.ErrNotFound)
	}
	return list[0], nil
}

func (m *Manager) populations(ctx context.Context, a Actor, id string) ([]PopulationEntry, error) {
	rows, err := m.Store.VersionedPopulations(ctx, id)
	list := make([]PopulationEntry, len(rows))
	for i, r := range rows {
		list[i] = entryOf(a, r)
	}
	return list, err
}

func entryOf(a Actor, v store.VersionedPopulation) PopulationEntry {
	p := v.Population
	if a.Can(idp.PermissionAuthentication) {
		return PopulationEntry{Population: p, Version: v.Version}
	}
	return PopulationEntry{Population: idp.Population{
		ID: p.ID, Name: p.Name, BrandColor: p.BrandColor, LogoURL: p.LogoURL, HelpURL: p.HelpURL, PrivacyURL: p.PrivacyURL,
	}}
}

// Brand is how a population presents itself.
type Brand struct {
	Name string
	// BrandColor is #rrggbb or empty, the others https URLs or empty.
	BrandColor, LogoURL, HelpURL, PrivacyURL string
}

// BrandOf is that of a population.
func BrandOf(p idp.Population) Brand {
	return Brand{Name: p.Name, BrandColor: p.BrandColor, LogoURL: p.LogoURL, HelpURL: p.HelpURL, PrivacyURL: p.PrivacyURL}
}

// BrandFields describe name, colour, logo and links of a population.
func BrandFields() settings.Fields[Brand] {
	color := func(v string) *settings.Error {
		if !colorForm.MatchString(v) {
			return &settings.Error{Key: "settings.brand.color", Args: []any{settings.Cut(v)}}
		}
		return nil
	}
	return settings.Fields[Brand]{
		settings.Line("name", func(b *Brand) *string { return &b.Name }).Must("settings.brand.need_name").Max(maxPopulationName).As(settings.Words).Rule(showsName),
		settings.Line("brand_color", func(b *Brand) *string { return &b.BrandColor }).As(settings.Lower).Rule(color),
		settings.Line("logo_url", func(b *Brand) *string { return &b.LogoURL }).Rule(webURL),
		settings.Line("help_url", func(b *Brand) *string { return &b.HelpURL }).Rule(webURL),
		settings.Line("privacy_url", func(b *Brand) *string { return &b.PrivacyURL }).Rule(webURL),
	}
}

const (
	maxPopulationName = 100
	maxURL            = 500 // bytes
)

var (
	colorForm      = regexp.MustCompile(`^#[0-9a-f]{6}$`)
	populationForm = regexp.MustCompile(`^[a-z][a-z0-9-]{1,31}$`)
)

// SaveBrand changes name, colour, logo and links of a population, as save says.
func (m *Manager) SaveBrand(ctx context.Context, a Actor, c Change[Brand]) (PopulationEntry, error) {
	return setting[Brand]{
		op: "SaveBrand", kind: idp.AuditPopulationChanged, fields: BrandFields(), of: BrandOf,
		onto: func(p *idp.Population, c Change[Brand]) {
			p.Name, p.BrandColor, p.LogoURL, p.HelpURL, p.PrivacyURL = c.To.Name, c.To.BrandColor, c.To.LogoURL, c.To.HelpURL, c.To.PrivacyURL
		},
		check: func(_ *Manager, _ idp.Population, c *Change[Brand]) settings.Errors {
			return BrandFields().Check(&c.To)
		},
		write: func(ctx context.Context, m *Manager, w written) error {
			return m.Store.SaveBrand(ctx, w.version, *w.after)
		},
	}.save(ctx, m, a, c)
}

// showsName refuses a name that shows nothing, or something else than it says.
func showsName(name string) *settings.Error {
	switch {
	case !idp.Shows(name):
		return &settings.Error{Key: "settings.shows_nothing"}
	case strings.ContainsFunc(name, idp.Directs):
		return &settings.Error{Key: "settings.turns_text"}
	}
	return nil
}

// webURL allows an https URL.
func webURL(value string) *settings.Error {
	if len(value) > maxURL {
		return &settings.Error{Key: "settings.long_bytes", Args: []any{maxURL}}
	}
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.ContainsAny(value, " \\\"'<>") {
		return &settings.Error{Key: "settings.https", Args: []any{settings.Cut(value)}}
	}
	return nil
}

// takenIDs are pages below /account and below the console's /authentication, where a
// population's id would stand.
var takenIDs = []string{"callback", "confirm", "new"}

// AddPopulation adds a population with the rules that agents begin with: an
// authenticator as second step, an hour idle and a day at most. A *FieldError says
// what cannot be saved; idp.ErrConflict that the id is taken.
func (m *Manager) AddPopulation(ctx context.Context, a Actor, id, name string) (PopulationEntry, error) {
	if err := m.allow(ctx, a, request{op: "AddPopulation"}); err != nil {
		return PopulationEntry{}, err
	}
	if !populationForm.MatchString(id) {
		return PopulationEntry{}, invalid("id", "2 to 32 of a-z, 0-9 and -, a letter first")
	}
	if slices.Contains(takenIDs, id) {
		return PopulationEntry{}, invalid("id", "%q is the name of a page of ours", id)
	}
	p := idp.Population{
		ID: id, Name: strings.Join(strings.Fields(name), " "), SessionIdle: time.Hour, SessionLifetime: 24 * time.Hour,
		Access: idp.Access{Password: true}, EndOthers: true, Passwords: idp.PasswordRules{MinLength: 8},
		KeptIdle: idp.DefaultKeptIdle, KeptLifetime: idp.DefaultKeptLifetime,
	}
	brand := BrandOf(p)
	if err := BrandFields().Check(&brand).Err(); err != nil {
		return PopulationEntry{}, err
	}
	// What apps on phones cannot show.
	label := strings.Map(func(r rune) rune {
		if r == ':' || unicode.IsControl(r) {
			return -1
		}
		return r
	}, p.Name)
	runes := []rune(label)
	p.Policy = idp.Policy{Version: 1, Authenticator: true, IssuerLabel: string(runes[:min(len(runes), maxIssuerLabel)])}
	if !idp.Shows(p.Policy.IssuerLabel) {
		p.Policy.IssuerLabel = p.ID
	}
	err := m.Store.Do(ctx, func(ctx context.Context) error {
		// Our own pages serve every population: of two added at once, each would leave the
		// other out.
		if err := m.oneAtATime(ctx); err != nil {
			return err
		}
		created, err := m.Store.CreatePopulation(ctx, p, idp.Now())
		if err == nil && !created {
			err = fmt.Errorf("population: %w", idp.ErrConflict)
		}
		if err != nil {
			return err
		}
		if err := m.openOwnPages(ctx); err != nil {
			return err
		}
		e := a.audit(idp.AuditPopulationCreated, "", map[string]string{"name": p.Name})
		e.PopulationID = id
		return m.Store.Audit(ctx, e)
	})
	return PopulationEntry{Population: p, Version: 1}, err
}
