package entra

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// place is the authority that a request's path names.
type place struct {
	authority string // as documents of this authority name it: a GUID, common, organizations, consumers or Generic
	directory string // empty for those that stand for many directories
}

// anyTenant stands in the issuer of documents that serve many directories, literally.
const anyTenant = "{tenantid}"

// place reads the authority out of a path.
func (t *Tenant) place(r *http.Request) (place, *failure) {
	name := r.PathValue("authority")
	switch name {
	case "": // the generic provider's paths have no such part
		return place{Generic, Generic}, nil
	case common, organizations:
		return place{name, ""}, nil
	case consumers, Consumers:
		return place{name, Consumers}, nil
	}
	for _, d := range t.directories {
		if strings.EqualFold(d.ID, name) || slices.ContainsFunc(d.Domains, func(s string) bool { return strings.EqualFold(s, name) }) {
			return place{d.ID, d.ID}, nil
		}
	}
	return place{}, refuse(90002, "invalid_request", "Tenant '"+name+"' not found. Check to make sure you have the correct tenant ID "+
		"and are signing into the correct cloud.")
}

// generic reports whether this is the plain provider.
func (p place) generic() bool { return p.directory == Generic }

// issuer is what the authority's document says.
func (p place) issuer(t *Tenant) string {
	if p.directory == "" {
		return t.Issuer(anyTenant)
	}
	return t.Issuer(p.directory)
}

// keySets are the directories whose keys the authority publishes.
func (p place) keySets() []string {
	switch p.authority {
	case common:
		return []string{anyTenant, Consumers}
	case organizations:
		return []string{anyTenant}
	}
	return []string{p.directory}
}

// keyIssuer is the issuer that a key of the authority's document names.
func (p place) keyIssuer(t *Tenant, directory string) string {
	if p.generic() {
		return "" // not in the standard
	}
	return t.Issuer(directory)
}

// endpoints is the start of the authority's OAuth endpoints.
func (p place) endpoints(t *Tenant) string {
	if p.generic() {
		return t.base + "/" + Generic
	}
	return t.base + "/" + p.authority + "/oauth2/v2.0"
}

// discovery answers OpenID Connect Discovery 1.0 section 4, in Entra with its own
// members and without code_challenge_methods_supported.
func (t *Tenant) discovery(w http.ResponseWriter, r *http.Request) {
	t.remember("discovery", r.URL.Query())
	at, failure := t.place(r)
	if failure != nil {
		t.fail(w, failure)
		return
	}
	if t.spoil(w, r, DiscoveryDown, DiscoveryHang, DiscoveryHTML, DiscoveryHuge) {
		return
	}
	document := t.entraDocument(at)
	if at.generic() {
		document = t.genericDocument(at)
	}
	if t.faults.take(DiscoveryIssuer) {
		document["issuer"] = t.base + "/somebody-else/v2.0"
	}
	w.Header().Set("Cache-Control", "max-age=86400, private")
	writeJSON(w, http.StatusOK, document)
}

func (t *Tenant) entraDocument(at place) map[string]any {
	endpoints := at.endpoints(t)
	document := map[string]any{
		"token_endpoint":                        endpoints + "/token",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		"jwks_uri":                              t.base + "/" + at.authority + "/discovery/v2.0/keys",
		"response_modes_supported":              []string{"query"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"response_types_supported":              []string{"code"},
		"scopes_supported":                      scopes(),
		"issuer":                                at.issuer(t),
		"request_uri_parameter_supported":       false,
		"userinfo_endpoint":                     t.base + "/oidc/userinfo",
		"authorization_endpoint":                endpoints + "/authorize",
		"http_logout_supported":                 true,
		"frontchannel_logout_supported":         true,
		"end_session_endpoint":                  endpoints + "/logout",
		"claims_supported": []string{
			"sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name", "msgraph_host", "aud", "exp", "iat",
			"auth_time", "acr", "nonce", "preferred_username", "name", "tid", "ver", "at_hash", "c_hash", "email",
		},
		"tenant_region_scope":   nil,
		"cloud_instance_name":   "localhost",
		"cloud_graph_host_name": "localhost",
		"msgraph_host":          "localhost",
	}
	if at.directory != "" && at.directory != Consumers {
		document["tenant_region_scope"] = "EU"
	}
	return document
}

func (t *Tenant) genericDocument(at place) map[string]any {
	endpoints := at.endpoints(t)
	return map[string]any{
		"issuer":                                         at.issuer(t),
		"authorization_endpoint":                         endpoints + "/authorize",
		"token_endpoint":                                 endpoints + "/token",
		"userinfo_endpoint":                              endpoints + "/userinfo",
		"jwks_uri":                                       endpoints + "/keys",
		"end_session_endpoint":                           endpoints + "/logout",
		"response_types_supported":                       []string{"code"},
		"response_modes_supported":                       []string{"query"},
		"grant_types_supported":                          []string{"authorization_code"},
		"subject_types_supported":                        []string{"public"},
		"id_token_signing_alg_values_supported":          []string{"RS256"},
		"scopes_supported":                               scopes(),
		"code_challenge_methods_supported":               []string{"S256"},
		"token_endpoint_auth_methods_supported":          []string{"client_secret_basic", "client_secret_post", "private_key_jwt"},
		"authorization_response_iss_parameter_supported": true,
		"frontchannel_logout_supported":                  true,
		"frontchannel_logout_session_supported":          true,
		"backchannel_logout_supported":                   true,
		"backchannel_logout_session_supported":           true,
		"claims_supported": []string{
			"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "email", "email_verified", "name", "given_name",
			"family_name", "preferred_username", "groups", "roles",
		},
	}
}

func scopes() []string { return []string{"openid", "profile", "email"} }

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the connection is gone
}
