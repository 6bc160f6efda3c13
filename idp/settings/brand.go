package settings

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"gatehouse/idp"
)

const maxPopulationName = 100

// MaxURL is how long a URL may be that is set for something, in characters.
const MaxURL = 500

// Brand describes name, colour, logo and links of a population.
func Brand() Fields[idp.Brand] {
	type brand = idp.Brand
	return Fields[brand]{
		Line("name", func(b *brand) *string { return &b.Name }).Must("settings.brand.need_name").Max(maxPopulationName).As(Words).Rule(ShowsName),
		Line("brand_color", func(b *brand) *string { return &b.BrandColor }).As(Lower).Rule(color).Like(`^(#[0-9A-Fa-f]{6})?$`),
		Line("logo_url", func(b *brand) *string { return &b.LogoURL }).Each(MaxURL).Rule(WebURL),
		Line("help_url", func(b *brand) *string { return &b.HelpURL }).Each(MaxURL).Rule(WebURL),
		Line("privacy_url", func(b *brand) *string { return &b.PrivacyURL }).Each(MaxURL).Rule(WebURL),
		Line("support_url", func(b *brand) *string { return &b.SupportURL }).Each(MaxURL).Rule(WebURL).InColumn(),
		Line("language", func(b *brand) *string { return &b.Language }).Each(maxLanguage).Rule(language).InColumn(),
	}
}

const maxLanguage = 35 // RFC 5646 section 4.4.1

// language allows the languages that pages are written in.
func language(tag string) *Error {
	if !slices.Contains(idp.Languages(), tag) {
		return wrong("settings.choice", Cut(tag), strings.Join(idp.Languages(), ", "))
	}
	return nil
}

// ShowsName refuses a name that shows nothing, or something else than it says.
func ShowsName(name string) *Error {
	switch {
	case !idp.Shows(name):
		return wrong("settings.shows_nothing")
	case strings.ContainsFunc(name, idp.Directs):
		return wrong("settings.turns_text")
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
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.ContainsAny(value, " \\\"'<>") {
		return wrong("settings.https", Cut(value))
	}
	return nil
}
