package populations

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/entry"
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
func (m *Manager) Populations(ctx context.Context, a authz.Actor) ([]PopulationEntry, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "Populations"}); err != nil {
		return nil, err
	}
	return m.populations(ctx, a, "")
}

// Population reads one population.
func (m *Manager) Population(ctx context.Context, a authz.Actor, id string) (PopulationEntry, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "Population"}); err != nil {
		return PopulationEntry{}, err
	}
	return m.population(ctx, a, id)
}

func (m *Manager) population(ctx context.Context, a authz.Actor, id string) (PopulationEntry, error) {
	list, err := m.populations(ctx, a, id)
	if err != nil {
		return PopulationEntry{}, err
	}
	if len(list) == 0 || id == "" {
		return PopulationEntry{}, fmt.Errorf("population: %w", idp.ErrNotFound)
	}
	return list[0], nil
}

func (m *Manager) populations(ctx context.Context, a authz.Actor, id string) ([]PopulationEntry, error) {
	rows, err := m.Store.VersionedPopulations(ctx, id)
	list := make([]PopulationEntry, len(rows))
	for i, r := range rows {
		list[i] = entryOf(a, r)
	}
	return list, err
}

func entryOf(a authz.Actor, v store.VersionedPopulation) PopulationEntry {
	p := v.Population
	if a.Can(idp.PermissionAuthentication) {
		return PopulationEntry{Population: p, Version: v.Version}
	}
	return PopulationEntry{Population: idp.Population{ID: p.ID, Brand: p.Brand}}
}

var populationForm = regexp.MustCompile(`^[a-z][a-z0-9-]{1,31}$`)

// SaveBrand changes name, colour, logo and links of a population, as save says.
func (m *Manager) SaveBrand(ctx context.Context, a authz.Actor, c Change[idp.Brand]) (PopulationEntry, error) {
	return setting[idp.Brand]{
		op: "SaveBrand", kind: idp.AuditPopulationChanged, fields: settings.Brand(),
		of:   func(p idp.Population) idp.Brand { return p.Brand },
		onto: func(p *idp.Population, c Change[idp.Brand]) { p.Brand = c.To },
		check: func(_ *Manager, _ idp.Population, c *Change[idp.Brand]) settings.Errors {
			return settings.Brand().Check(&c.To)
		},
		write: func(ctx context.Context, m *Manager, w written) error {
			return m.Store.SaveBrand(ctx, w.version, *w.after)
		},
	}.save(ctx, m, a, c)
}

// takenIDs are pages below /account and below the console's /authentication, where a
// population's id would stand.
var takenIDs = []string{"callback", "confirm", "new"}

// AddPopulation adds a population with the rules that agents begin with. settings.Errors say
// what cannot be saved; idp.ErrConflict that the id is taken.
func (m *Manager) AddPopulation(ctx context.Context, a authz.Actor, id, name string) (PopulationEntry, error) {
	if err := m.Authz.Authorize(ctx, a, authz.Request{Op: "AddPopulation"}); err != nil {
		return PopulationEntry{}, err
	}
	if !populationForm.MatchString(id) {
		return PopulationEntry{}, entry.Invalid("id", "settings.population.id")
	}
	if slices.Contains(takenIDs, id) {
		return PopulationEntry{}, entry.Invalid("id", "settings.population.page", id)
	}
	p := NewPopulation(id, settings.Words(name), "")
	if err := settings.Brand().Check(&p.Brand).Err(); err != nil {
		return PopulationEntry{}, err
	}
	if p.Policy.IssuerLabel = labelOf(p.Name); p.Policy.IssuerLabel == "" {
		p.Policy.IssuerLabel = p.ID
	}
	err := m.Store.Do(ctx, func(ctx context.Context) error {
		// Our own pages serve every population: of two added at once, each would leave the
		// other out.
		if err := m.Authz.OneAtATime(ctx); err != nil {
			return err
		}
		created, err := m.Store.CreatePopulation(ctx, p, idp.Now())
		if err == nil && !created {
			err = fmt.Errorf("population: %w", idp.ErrConflict)
		}
		if err != nil {
			return err
		}
		if err := m.Apps.OpenOwnPages(ctx); err != nil {
			return err
		}
		e := a.Audit(idp.AuditPopulationCreated, "", map[string]string{"name": p.Name})
		e.PopulationID = id
		return m.Store.Audit(ctx, e)
	})
	return PopulationEntry{Population: p, Version: 1}, err
}

// KnowsPopulation tells whether there is such a population.
func (m *Manager) KnowsPopulation(ctx context.Context, id string) (bool, error) {
	_, err := m.Store.Population(ctx, id)
	if errors.Is(err, idp.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// NewPopulation is a population as it begins: with the defaults of the descriptions, and
// an authenticator as second step. A provider that is safe only once an admin has found
// the switch is not safe.
func NewPopulation(id, name, issuerLabel string) idp.Population {
	p := idp.Population{ID: id, Brand: idp.Brand{Name: name}, Policy: idp.Policy{Version: 1, IssuerLabel: issuerLabel}}
	AccessFields().Defaults(&p.Access)
	PasswordFields().Defaults(&p.Passwords)
	PolicyFields().Defaults(&p.Policy)
	settings.Brand().Defaults(&p.Brand)
	var rules SessionRules
	SessionFields().Defaults(&rules)
	p = rules.of(p)
	p.KeptIdle, p.KeptLifetime = rules.KeptIdle, rules.KeptLifetime
	return p
}
