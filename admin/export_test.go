package admin

import (
	"slices"

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
