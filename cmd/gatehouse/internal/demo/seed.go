package demo

import (
	"context"
	"errors"
	"fmt"

	"gatehouse/idp"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/store"
)

// Person is a person who can sign in to the demo.
type Person struct {
	Email      string   `json:"email"`
	Password   string   `json:"password"`
	Population string   `json:"population"`
	Roles      []string `json:"roles"`
	Entra      bool     `json:"entra"`
	name       string
}

// seeded are the demo's. They have no second factors yet.
func seeded() []Person {
	return []Person{
		{Email: "admin@rtx.example", Password: "steep violet harbour", Population: idp.Agents, Roles: []string{idp.RoleAdmin}, name: "Admin"},
		{Email: "lead@rtx.example", Password: "quiet amber lantern", Population: idp.Agents, Roles: []string{idp.RoleManager}, name: "Team lead"},
		{Email: "agent@rtx.example", Password: "bright copper meadow", Population: idp.Agents, Roles: []string{idp.RoleAgent}, name: "First agent"},
		{Email: "agent2@rtx.example", Password: "gentle maple corner", Population: idp.Agents, Roles: []string{idp.RoleAgent}, name: "Second agent"},
		{Email: "contact@customer.example", Password: "narrow willow bridge", Population: idp.Contacts, Roles: []string{}, name: "First contact"},
		{Email: "contact2@customer.example", Password: "silver pebble garden", Population: idp.Contacts, Roles: []string{}, name: "Second contact"},
	}
}

// seed makes populations, people and clients. What exists stays as it is, so
// that a kept data folder can be started again.
func seed(ctx context.Context, m *manage.Manager, portals []portalSetup) error {
	for _, p := range seeded() {
		_, err := m.People.CreateUser(ctx, people.NewUser{
			Population: p.Population, Email: p.Email, Name: p.name, Password: p.Password, Roles: p.Roles,
		})
		if err != nil && !errors.Is(err, idp.ErrConflict) {
			return fmt.Errorf("seed %s: %w", p.Email, err)
		}
	}
	for _, p := range portals {
		_, _, err := m.Apps.CreateClient(ctx, p.client())
		if err != nil && !errors.Is(err, idp.ErrConflict) {
			return fmt.Errorf("seed %s: %w", p.id, err)
		}
	}
	return nil
}

// populations are the two of the demo, before the defaults are made.
func populations() []idp.Population {
	list := manage.BuiltInPopulations()
	for i := range list {
		list[i].Access.Federated = true
	}
	agents, contacts := &list[0], &list[1]
	agents.Name, agents.Policy.IssuerLabel = "RTX Solutions", "RTX Solutions – Agent App"
	contacts.Name, contacts.Policy.IssuerLabel = "RTX Customer Support", "RTX – Support Portal"
	contacts.BrandColor = "#0f766e"
	return list
}

func seedPopulations(ctx context.Context, s *store.Store) error {
	for _, p := range populations() {
		if _, err := s.CreatePopulation(ctx, p, idp.Now()); err != nil {
			return err
		}
	}
	return nil
}

// seedConnections lets people of each population sign in with Microsoft, as a
// simulated tenant plays it. A population that has a connection keeps what it has.
func seedConnections(ctx context.Context, m *manage.Manager, list []EntraConnection) error {
	for _, c := range list {
		there, err := m.Connections.Connections(ctx, authz.System(), c.Population)
		if err != nil {
			return fmt.Errorf("seed connections: %w", err)
		}
		if len(there) > 0 {
			continue
		}
		_, err = m.Connections.AddConnection(ctx, authz.System(), connections.ConnectionChange{Connection: c.connection(), ClientSecret: c.Secret})
		if err != nil {
			return fmt.Errorf("seed a connection: %w", err)
		}
	}
	return nil
}
