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

// BrandChange is how a population presents itself from now on.
type BrandChange struct {
	// Version is the one that the actor saw.
	Version int64
	Name    string
	// BrandColor is #rrggbb or empty, the others https URLs or empty.
	BrandColor, LogoURL, HelpURL, PrivacyURL string
}

const (
	maxPopulationName = 100
	maxURL            = 500 // bytes
)

var (
	colorForm      = regexp.MustCompile(`^#[0-9a-f]{6}$`)
	populationForm = regexp.MustCompile(`^[a-z][a-z0-9-]{1,31}$`)
)

// SaveBrand changes name, colour, logo and links of a population. A *FieldError
// says what cannot be saved; idp.ErrConflict that somebody else changed them since
// the actor saw them.
func (m *Manager) SaveBrand(ctx context.Context, a Actor, population string, c BrandChange) (PopulationEntry, error) {
	if err := m.allow(ctx, a, request{op: "SaveBrand"}); err != nil {
		return PopulationEntry{}, err
	}
	before, err := m.population(ctx, a, population)
	if err != nil {
		return PopulationEntry{}, err
	}
	p := before.Population
	p.Name, p.BrandColor = strings.Join(strings.Fields(c.Name), " "), strings.ToLower(strings.TrimSpace(c.BrandColor))
	p.LogoURL, p.HelpURL, p.PrivacyURL = strings.TrimSpace(c.LogoURL), strings.TrimSpace(c.HelpURL), strings.TrimSpace(c.PrivacyURL)
	if err := checkBrand(p); err != nil {
		return PopulationEntry{}, err
	}
	if before.unchanged(c.Version, p) {
		return before, nil
	}
	err = m.Store.Do(ctx, func(ctx context.Context) error {
		if err := m.Store.SaveBrand(ctx, c.Version, p); err != nil {
			return err
		}
		e := a.audit(idp.AuditPopulationChanged, "", map[string]string{"from": describeBrand(before.Population), "to": describeBrand(p)})
		e.PopulationID = p.ID
		return m.Store.Audit(ctx, e)
	})
	return PopulationEntry{Population: p, Version: c.Version + 1}, err
}

func describeBrand(p idp.Population) string {
	return fmt.Sprintf("name %q, colour %q, logo %q, help %q, privacy %q", p.Name, p.BrandColor, p.LogoURL, p.HelpURL, p.PrivacyURL)
}

func checkBrand(p idp.Population) error {
	if p.Name == "" {
		return invalid("name", "a population needs a name: people read it when they sign in")
	}
	if err := checkName("name", p.Name, maxPopulationName); err != nil {
		return err
	}
	if p.BrandColor != "" && !colorForm.MatchString(p.BrandColor) {
		return invalid("brand_color", "%q is not a colour such as #0a5c36", p.BrandColor)
	}
	for field, value := range map[string]string{"logo_url": p.LogoURL, "help_url": p.HelpURL, "privacy_url": p.PrivacyURL} {
		if err := checkURL(field, value); err != nil {
			return err
		}
	}
	return nil
}

// checkURL allows an https URL, or nothing.
func checkURL(field, value string) error {
	if value == "" {
		return nil
	}
	if len(value) > maxURL {
		return invalid(field, "at most %d bytes", maxURL)
	}
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.ContainsAny(value, " \\\"'<>") {
		return invalid(field, "%q is not a URL that begins with https://", value)
	}
	return isText(field, value)
}

// takenIDs are pages below /account, where a population's id would stand.
var takenIDs = []string{"callback", "confirm"}

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
	if err := checkBrand(p); err != nil {
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
