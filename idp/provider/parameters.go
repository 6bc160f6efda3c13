package provider

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// credentialNames are the parameters that must not stand in an address, which ends up
// in logs (RFC 6749 section 2.3.1, RFC 6750 section 2.3, RFC 7009, RFC 7521, RFC 8693).
var credentialNames = []string{
	"access_token", "actor_token", "assertion", "client_assertion", "client_secret", "code", "code_verifier", "device_code",
	"id_token", "password", "refresh_token", "subject_token", "token",
}

// leaveOut drops parameters without a value: they count as not sent (RFC 6749 section
// 3.1).
func leaveOut(forms ...url.Values) {
	for _, form := range forms {
		for name, values := range form {
			given := slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
			if len(given) == 0 {
				delete(form, name)
				continue
			}
			form[name] = given
		}
	}
}

// duplicate names a parameter that was sent twice, which RFC 6749 section 3.1
// forbids, empty for none.
func duplicate(form url.Values) string {
	for name, values := range form {
		if len(values) > 1 {
			return name
		}
	}
	return ""
}

// credentialIn names a credential in the query of an address, empty for none. It looks
// at what a strict reader would skip, too: a log has that as well.
func credentialIn(query string) string {
	for _, pair := range strings.FieldsFunc(query, func(r rune) bool { return r == '&' || r == ';' }) {
		name, value, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		if value != "" && slices.Contains(credentialNames, name) {
			return name
		}
	}
	return ""
}

// checkQuery refuses credentials in the query of an endpoint that clients call, and
// ignores everything else there: nothing that follows sees it.
func checkQuery(r *http.Request) *failure {
	if credentialIn(r.URL.RawQuery) != "" {
		return fail(invalidRequest, "credentials do not belong into the address: it ends up in logs")
	}
	r.URL.RawQuery = ""
	return nil
}

// checkBody reads the form of an endpoint that clients call. What it takes comes in
// the body.
func checkBody(r *http.Request) *failure {
	if f := checkQuery(r); f != nil {
		return f
	}
	if err := r.ParseForm(); err != nil {
		return fail(invalidRequest, "the body is not a form").because(err)
	}
	leaveOut(r.Form, r.PostForm)
	if duplicate(r.PostForm) != "" {
		return fail(invalidRequest, "a parameter was sent more than once")
	}
	oneSpace(r.Header)
	return nil
}

// oneSpace writes the Authorization header with one space behind the scheme, where
// there may be several (RFC 9110 section 11.4), and its readers expect one.
func oneSpace(h http.Header) {
	if scheme, rest, ok := strings.Cut(h.Get("Authorization"), " "); ok {
		h.Set("Authorization", scheme+" "+strings.TrimLeft(rest, " "))
	}
}
