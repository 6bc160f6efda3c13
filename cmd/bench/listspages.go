package main

import (
	"context"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/entry"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/system"
)

// users is a row of a list of people.
func (b *listBench) users(name string, query func(p samplePerson) people.UserQuery) listRow {
	return listRow{name: name, page: func(ctx context.Context, i int) (int, error) {
		list, _, err := b.People.Users(ctx, b.actor, query(b.people[i]))
		return len(list), err
	}}
}

// peopleRows are the lists of people without a search.
func (b *listBench) peopleRows() []listRow {
	deep := func(p samplePerson) entry.Cursor { return after("people", p.ID, nil, time.Time{}) }
	return []listRow{
		b.users("people, first page", func(samplePerson) people.UserQuery { return people.UserQuery{} }),
		b.users("people, anywhere in the list", func(p samplePerson) people.UserQuery { return people.UserQuery{After: deep(p)} }),
		b.users("people of a population", func(p samplePerson) people.UserQuery {
			return people.UserQuery{After: deep(p), Population: p.Population}
		}),
		b.users("without a second step", func(p samplePerson) people.UserQuery {
			return people.UserQuery{After: deep(p), WithoutSecondStep: true}
		}),
		b.users("without a second step, small population", func(samplePerson) people.UserQuery {
			return people.UserQuery{WithoutSecondStep: true, Population: listPartners}
		}),
		b.users("disabled", func(p samplePerson) people.UserQuery {
			return people.UserQuery{After: deep(p), Disabled: new(true)}
		}),
		b.users("disabled and without a second step", func(p samplePerson) people.UserQuery {
			return people.UserQuery{After: deep(p), Disabled: new(true), WithoutSecondStep: true}
		}),
		b.users("of a role, one agent in a hundred", func(p samplePerson) people.UserQuery {
			return people.UserQuery{Role: idp.RoleManager}
		}),
		b.users("of a role and disabled", func(p samplePerson) people.UserQuery {
			return people.UserQuery{Role: idp.RoleManager, Disabled: new(true)}
		}),
	}
}

// searchRows are searches by the beginning of an address or a name, or within one.
func (b *listBench) searchRows() []listRow {
	prefix := func(name string, of func(p samplePerson) string) listRow {
		return b.users("search: "+name, func(p samplePerson) people.UserQuery { return people.UserQuery{Prefix: of(p)} })
	}
	with := func(name string, q people.UserQuery, of func(p samplePerson) string) listRow {
		return b.users("search: "+name, func(p samplePerson) people.UserQuery { q.Prefix = of(p); return q })
	}
	email := func(n int) func(samplePerson) string { return func(p samplePerson) string { return p.Email[:n] } }
	last := func(n int) func(samplePerson) string { return func(p samplePerson) string { return p.Last[:n] } }
	rows := []listRow{
		prefix("1 letter of an address", email(1)),
		prefix("3 letters of an address", email(3)),
		prefix("8 letters of an address", email(8)),
		prefix("a whole address", func(p samplePerson) string { return p.Email }),
		prefix("1 letter of a name", last(1)),
		prefix("3 letters of a name", last(3)),
		prefix("a whole name", func(p samplePerson) string { return p.First + " " + p.Last }),
		prefix("first name and a letter", func(p samplePerson) string { return p.First + " " + p.Last[:1] }),
		prefix("two letters", func(p samplePerson) string { return p.First[:1] + " " + p.Last[:1] }),
		prefix("within a name, 3 letters", func(p samplePerson) string { return p.Last[1:4] }),
		prefix("within a name, 5 letters", func(p samplePerson) string { return p.Last[1:] }),
		prefix("a domain", func(p samplePerson) string { _, domain, _ := strings.Cut(p.Email, "@"); return domain }),
		with("within a name, disabled", people.UserQuery{Disabled: new(true)}, func(p samplePerson) string { return p.Last[1:4] }),
		prefix("nobody's name", func(p samplePerson) string { return p.First + "x" }),
		b.users("search: 3 letters, anywhere in what is found", func(p samplePerson) people.UserQuery {
			return people.UserQuery{Prefix: p.Last[:3], After: after("people", p.ID, []byte(p.Last), time.Time{})}
		}),
		// The next page begins with addresses, which these people were found before.
		b.users("search: 3 letters, behind the last of a first name", func(p samplePerson) people.UserQuery {
			return people.UserQuery{Prefix: p.First[:3], After: after("people", "ff", []byte(p.First), time.Time{})}
		}),
		with("3 letters of a name, small population", people.UserQuery{Population: listPartners}, last(3)),
		with("1 letter of a name, without a second step", people.UserQuery{WithoutSecondStep: true}, last(1)),
		with("3 letters of a name, without a second step", people.UserQuery{WithoutSecondStep: true}, last(3)),
		with("1 letter of a name, disabled", people.UserQuery{Disabled: new(true)}, last(1)),
		with("3 letters of a name, disabled", people.UserQuery{Disabled: new(true)}, last(3)),
		// No page of the console asks for these two.
		with("1 letter of a name, of a role", people.UserQuery{Role: idp.RoleManager}, last(1)),
		with("3 letters of a name, of a role", people.UserQuery{Role: idp.RoleManager}, last(3)),
	}
	rows[len(rows)-1].beyond, rows[len(rows)-2].beyond = true, true
	return rows
}

// otherRows are what else the console shows of many.
func (b *listBench) otherRows() []listRow {
	sessions := func(name string, query func(p samplePerson) people.SessionQuery) listRow {
		return listRow{name: name, page: func(ctx context.Context, i int) (int, error) {
			list, _, err := b.People.ListSessions(ctx, b.actor, query(b.people[i]))
			return len(list), err
		}}
	}
	return []listRow{
		{name: "a person", page: func(ctx context.Context, i int) (int, error) {
			_, err := b.People.UserDetail(ctx, b.actor, b.people[i].ID)
			return 1, err
		}},
		{name: "roles, holders counted", page: func(ctx context.Context, _ int) (int, error) {
			list, err := b.Roles.Roles(ctx, b.actor)
			return len(list), err
		}},
		{name: "apps", page: func(ctx context.Context, _ int) (int, error) {
			list, _, err := b.Apps.Clients(ctx, b.actor, "", 0)
			return len(list), err
		}},
		sessions("sessions, first page", func(samplePerson) people.SessionQuery { return people.SessionQuery{} }),
		{name: "sessions, anywhere in the list", page: func(ctx context.Context, i int) (int, error) {
			list, _, err := b.People.ListSessions(ctx, b.actor, people.SessionQuery{After: after("sessions", b.sessions[i%len(b.sessions)], nil, time.Time{})})
			return len(list), err
		}},
		{name: "sessions of the agents, anywhere", page: func(ctx context.Context, i int) (int, error) {
			list, _, err := b.People.ListSessions(ctx, b.actor, people.SessionQuery{
				Population: idp.Agents, After: after("sessions", b.agentSessions[i%len(b.agentSessions)], nil, time.Time{}),
			})
			return len(list), err
		}},
		sessions("sessions of a population", func(p samplePerson) people.SessionQuery { return people.SessionQuery{Population: p.Population} }),
		sessions("sessions of the agents", func(samplePerson) people.SessionQuery {
			return people.SessionQuery{Population: idp.Agents}
		}),
		sessions("sessions of a person", func(p samplePerson) people.SessionQuery { return people.SessionQuery{UserID: p.ID} }),
	}
}

// audit is a row of the audit log.
func (b *listBench) audit(name string, query func(i int) system.AuditQuery) listRow {
	return listRow{name: "audit: " + name, page: func(ctx context.Context, i int) (int, error) {
		list, _, err := b.System.Audit(ctx, b.actor, query(i))
		return len(list), err
	}}
}

// auditRows narrow the log by one thing, and by a time.
func (b *listBench) auditRows() []listRow {
	deep := func(i int) entry.Cursor { return after("audit", b.events[i].ID, nil, b.events[i].At) }
	const common, rare = idp.AuditSignedIn, idp.AuditOperationRefused
	return []listRow{
		b.audit("the newest", func(int) system.AuditQuery { return system.AuditQuery{} }),
		b.audit("anywhere in the log", func(i int) system.AuditQuery { return system.AuditQuery{After: deep(i)} }),
		b.audit("a common kind, 22 %", func(int) system.AuditQuery { return system.AuditQuery{Kind: common} }),
		b.audit("a common kind, anywhere", func(i int) system.AuditQuery { return system.AuditQuery{Kind: common, After: deep(i)} }),
		b.audit("a rare kind, 0.015 %", func(int) system.AuditQuery { return system.AuditQuery{Kind: rare} }),
		b.audit("a rare kind, anywhere", func(i int) system.AuditQuery { return system.AuditQuery{Kind: rare, After: deep(i)} }),
		b.audit("a kind that never happened", func(int) system.AuditQuery { return system.AuditQuery{Kind: "key.rotated"} }),
		b.audit("a person", func(i int) system.AuditQuery { return system.AuditQuery{UserID: b.people[i].ID} }),
		b.audit("a person, anywhere", func(i int) system.AuditQuery { return system.AuditQuery{UserID: b.people[i].ID, After: deep(i)} }),
		b.audit("an admin who did it", func(i int) system.AuditQuery { return system.AuditQuery{ActorID: b.admins[i]} }),
		b.audit("an app", func(i int) system.AuditQuery { return system.AuditQuery{ClientID: b.apps[i%listApps]} }),
		b.audit("an app, anywhere", func(i int) system.AuditQuery {
			return system.AuditQuery{ClientID: b.apps[i%listApps], After: deep(i)}
		}),
		b.audit("a population, a week", func(i int) system.AuditQuery {
			return system.AuditQuery{PopulationID: b.people[i].Population, From: b.events[i].At, To: b.events[i].At.AddDate(0, 0, 7)}
		}),
		b.audit("a small population, a week", func(i int) system.AuditQuery {
			return system.AuditQuery{PopulationID: listPartners, From: b.events[i].At, To: b.events[i].At.AddDate(0, 0, 7)}
		}),
	}
}

// narrowRows narrow the log by two things, for which there is no index of both.
func (b *listBench) narrowRows() []listRow {
	week := func(i int, q system.AuditQuery) system.AuditQuery {
		q.From, q.To = b.events[i].At, b.events[i].At.AddDate(0, 0, 7)
		return q
	}
	return []listRow{
		b.audit("a person and a kind", func(i int) system.AuditQuery {
			return system.AuditQuery{UserID: b.people[i].ID, Kind: idp.AuditSignedIn}
		}),
		b.audit("a kind, a week", func(i int) system.AuditQuery { return week(i, system.AuditQuery{Kind: idp.AuditFactorEnrolled}) }),
		b.audit("a kind and a population", func(i int) system.AuditQuery {
			return system.AuditQuery{Kind: idp.AuditFactorEnrolled, PopulationID: b.people[i].Population}
		}),
		b.audit("a kind and a population where it never happened", func(int) system.AuditQuery {
			return system.AuditQuery{Kind: idp.AuditEmailSent, PopulationID: idp.Agents}
		}),
		b.audit("a common kind and a small population", func(int) system.AuditQuery {
			return system.AuditQuery{Kind: idp.AuditSignedIn, PopulationID: listPartners}
		}),
		b.audit("a kind and an app where it never happened", func(i int) system.AuditQuery {
			return system.AuditQuery{Kind: idp.AuditCodeRefused, ClientID: b.apps[i%listApps]}
		}),
		b.audit("the same, a week", func(i int) system.AuditQuery {
			return week(i, system.AuditQuery{Kind: idp.AuditCodeRefused, ClientID: b.apps[i%listApps]})
		}),
		b.audit("an app and a population without it", func(i int) system.AuditQuery {
			return system.AuditQuery{ClientID: b.apps[i%10], PopulationID: idp.Contacts}
		}),
		b.audit("an admin and a kind that they never did", func(i int) system.AuditQuery {
			return system.AuditQuery{ActorID: b.admins[i], Kind: idp.AuditEmailSent}
		}),
	}
}
