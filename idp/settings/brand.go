package settings

import (
	"net/url"
	"regexp"
	"strings"

	"gatehouse/idp"
)

const (
	maxPopulationName = 100
	maxURL            = 500 // bytes
)

// Brand describes name, colour, logo and links of a population.
func Brand() Fields[idp.Brand] {
	type brand = idp.Brand
	return Fields[brand]{
		Line("name", func(b *brand) *string { return &b.Name }).Must("settings.brand.need_name").Max(maxPopulationName).As(Words).Rule(ShowsName),
		Line("brand_color", func(b *brand) *string { return &b.BrandColor }).As(Lower).Rule(color),
		Line("logo_url", func(b *brand) *string { return &b.LogoURL }).Rule(WebURL),
		Line("help_url", func(b *brand) *string { return &b.HelpURL }).Rule(WebURL),
		Line("privacy_url", func(b *brand) *string { return &b.PrivacyURL }).Rule(WebURL),
		Line("support_url", func(b *brand) *string { return &b.SupportURL }).Rule(WebURL).InColumn(),
	}
}

// ShowsName refuses a name that shows nothing.
func ShowsName(name string) *Error {
	if !idp.Shows(name) {
		return wrong("settings.shows_nothing")
	}
	return nil
}

var colorForm = regexp.MustCompile(`^#[0-9a-f]{6}$`)

func color(value string) *Error {
	if !colorForm.MatchString(value) {
		return wrong("settings.brand.color", Cut(value))
	}
	return nil
}

// WebURL allows an https URL.
func WebURL(value string) *Error {
	if len(value) > maxURL {
		return wrong("settings.long_bytes", maxURL)
	}
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.ContainsAny(value, " \\\"'<>") {
		return wrong("settings.https", Cut(value))
	}
	return nil
}
