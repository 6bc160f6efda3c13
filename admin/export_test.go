package admin

import (
	"slices"

	"gatehouse/idp/manage/connections"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/settings"
	"gatehouse/ui"
)

// Labels are those of all fields that a section asks for.
func Labels() (labels []ui.Key) {
	labels = append(labels, of("access", access().fields)...)
	labels = append(labels, of("policy", policy().fields)...)
	labels = append(labels, of("passwords", passwords().fields)...)
	labels = append(labels, of("sessions", sessions().fields)...)
	labels = append(labels, of("registration", registration().fields)...)
	labels = append(labels, of("roles", roleForm().fields)...)
	labels = append(labels, of("brand", brand().fields)...)
	labels = append(labels, of("app", settings.Client().Only(func(s settings.Spec) bool {
		return s.Stored || slices.Contains([]string{
			"name", "redirect_uris", "post_logout_redirect_uris", "home_url", "backchannel_logout_uri", "roles", "token_format", "signing_alg",
		}, s.Name)
	}))...)
	return append(labels, of("override", override().fields)...)
}

func of[T any](thing string, fields settings.Fields[T]) (labels []ui.Key) {
	for _, f := range fields {
		labels = append(labels, ui.Key("console."+thing+"."+f.Name))
	}
	return labels
}

// A Described thing is one whose settings docs/settings.md lists.
type Described struct {
	Heading, Thing string
	Specs          []settings.Spec
}

// AllDescribed are those that admins set.
func AllDescribed() []Described {
	return []Described{
		{"An app", "app", specsOf(settings.Client())},
		{"An app's own MFA rule", "override", specsOf(override().fields)},
		{"A user group: name and logo", "brand", specsOf(brand().fields)},
		{"A user group: portal access", "access", specsOf(populations.AccessFields())},
		{"A user group: MFA", "policy", specsOf(policy().fields)},
		{"A user group: passwords", "passwords", specsOf(passwords().fields)},
		{"A user group: sessions", "sessions", specsOf(sessions().fields)},
		{"A user group: registration", "registration", specsOf(registration().fields)},
		{"A connection", "connection", specsOf(connections.ConnectionFields())},
		{"A role", "roles", specsOf(roleForm().fields)},
		{"A person", "person", specsOf(people.PersonFields())},
	}
}

func specsOf[T any](fields settings.Fields[T]) (specs []settings.Spec) {
	for _, f := range fields {
		specs = append(specs, f.Spec)
	}
	return specs
}
