package ui

import "time"

// ConsoleInvitations lists those of a population that were not accepted yet.
type ConsoleInvitations struct {
	Console
	Filters     []NavItem
	Invitations []InvitationRow
	StartURL    string // where the list begins, empty when this is its beginning
	NextURL     string // where it goes on, empty at its end
	InviteURL   string // absent when empty
}

// InvitationRow is one invitation. Its forms have no fields.
type InvitationRow struct {
	Name, Email              string
	Roles                    []string
	SentAt, ExpiresAt        time.Time
	Expired, Lost            bool
	ResendAction, RevokeForm string // absent when empty
}

func (p ConsoleInvitations) about() about {
	return about{template: "console-invitations", failed: anyOf(p.Alert), console: true}
}
