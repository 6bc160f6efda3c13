package api

import (
	"maps"
	"strconv"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/apps"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/settings"
)

func clientOperations() []operation {
	const of = "/clients/{client_id}"
	return []operation{
		{ID: "listClients", Route: "GET /clients", Manage: "Clients", Query: "after limit", Answer: list{"clients", "OAuthClient"}, run: listClients},
		{ID: "createClient", Route: "POST /clients", Manage: "AddClient", Body: "NewOAuthClient", Answer: "CreatedOAuthClient", Created: true, ETag: true, Taken: "id", run: createClient},
		{ID: "getClient", Route: "GET " + of, Manage: "Client", Answer: "OAuthClient", ETag: true, run: getClient},
		{ID: "updateClient", Route: "PUT " + of, Manage: "UpdateClient", IfMatch: mustMatch, Body: "OAuthClientChange", Answer: "OAuthClient", ETag: true, run: updateClient},
		{ID: "deleteClient", Route: "DELETE " + of, Manage: "DeleteClient", IfMatch: mayMatch, Body: Reason{}, run: because(deleteClient)},
		{ID: "listClientSecrets", Route: "GET " + of + "/secrets", Manage: "Client", Answer: list{"secrets", ClientSecretTimes{}}, run: listClientSecrets},
		{ID: "addClientSecret", Route: "POST " + of + "/secrets", Manage: "AddClientSecret", Answer: ClientSecret{}, Created: true, run: addClientSecret},
		{ID: "removeClientSecret", Route: "DELETE " + of + "/secrets/{index}", Manage: "RemoveClientSecret", run: removeClientSecret},
		{ID: "getMFAOverride", Route: "GET " + of + "/mfa-override", Manage: "Override", Answer: "MFAOverride", ETag: true, run: getMFAOverride},
		{ID: "saveMFAOverride", Route: "PUT " + of + "/mfa-override", Manage: "SaveOverride", IfMatch: mustMatch, Body: "MFAOverrideChange", Answer: "MFAOverride", ETag: true, run: saveMFAOverride},
		{
			ID: "previewMFAOverride", Route: "POST " + of + "/mfa-override/preview", Manage: "PreviewOverride", Body: "MFAOverrideSettings", Answer: Preview{},
			run: previews(populations.OverrideFields(), "client_id", (*populations.Manager).PreviewOverride, previewOf),
		},
	}
}

// ClientSecret is a new secret.
type ClientSecret struct {
	Secret string `json:"secret"`
}

// ClientSecretTimes is what is known of a secret, which itself is not shown again.
type ClientSecretTimes struct {
	CreatedAt  time.Time `json:"created_at,omitzero"`
	LastUsedAt time.Time `json:"last_used_at,omitzero"`
	ExpiresAt  time.Time `json:"expires_at,omitzero"`
}

func listClientSecrets(v *call) (any, error) {
	c, err := v.manage.Apps.Client(v.ctx, v.actor, v.Param("client_id"))
	all := []ClientSecretTimes{}
	for _, s := range c.SecretTimes {
		all = append(all, ClientSecretTimes{s.CreatedAt, s.UsedAt, s.EndsAt})
	}
	return object{"secrets": all}, err
}

func listClients(v *call) (any, error) {
	after, limit := v.page()
	all, next, err := v.manage.Apps.Clients(v.ctx, v.actor, after, limit)
	if err != nil {
		return nil, err
	}
	return rows(v, all, next, clientOf), nil
}

func clientOf(e apps.ClientEntry) object {
	body := withVersion(settings.Client(), e.Client, e.Version)
	maps.Copy(body, object{"id": e.ID, "secrets": e.Secrets, "created_at": e.CreatedAt})
	return body
}

// client answers with a client as it is now.
func (v *call) client(e apps.ClientEntry, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return v.tagged(e.Version, clientOf(e)), nil
}

func createClient(v *call) (any, error) {
	c, err := decoded(v, settings.Client())
	if err != nil {
		return nil, err
	}
	chosen, err := read[struct{ ID, Secret string }](v)
	if err != nil {
		return nil, err
	}
	c.ID = chosen.ID
	e, secret, err := v.manage.Apps.AddClient(v.ctx, v.actor, c, chosen.Secret)
	if err != nil {
		return nil, err
	}
	created := object{"client": clientOf(e)}
	if secret != "" {
		created["secret"] = secret
	}
	return v.made(e.ID, e.Version, created), nil
}

func getClient(v *call) (any, error) {
	return v.client(v.manage.Apps.Client(v.ctx, v.actor, v.Param("client_id")))
}

func updateClient(v *call) (any, error) {
	change, err := changeOf(v, v.Param("client_id"), settings.Client())
	if err != nil {
		return nil, err
	}
	change.To.ID = change.ID
	return v.client(v.manage.Apps.UpdateClient(v.ctx, v.actor, apps.ClientEntry{Version: change.Version, Client: change.To, Given: change.Given}))
}

func deleteClient(v *call, reason string) error {
	return v.manage.Apps.DeleteClient(v.ctx, v.actor, v.Param("client_id"), v.version(), reason)
}

func addClientSecret(v *call) (any, error) {
	secret, err := v.manage.Apps.AddClientSecret(v.ctx, v.actor, v.Param("client_id"))
	return ClientSecret{Secret: secret}, err
}

func removeClientSecret(v *call) (any, error) {
	index, err := strconv.Atoi(v.Param("index"))
	if err != nil {
		return nil, err
	}
	return nil, v.manage.Apps.RemoveClientSecret(v.ctx, v.actor, v.Param("client_id"), index)
}

func getMFAOverride(v *call) (any, error) {
	return v.override(v.manage.Populations.Override(v.ctx, v.actor, v.Param("client_id")))
}

func saveMFAOverride(v *call) (any, error) {
	change, err := changeOf(v, v.Param("client_id"), populations.OverrideFields())
	if err != nil {
		return nil, err
	}
	change.To.Version = change.Version
	return v.override(v.manage.Populations.SaveOverride(v.ctx, v.actor, change))
}

// override answers with a client's override. Its version is 0 before the first change.
func (v *call) override(o idp.Override, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	fields := populations.OverrideFields()
	fields.Defaults(&o)
	v.Header("ETag", etag(o.Version))
	return withVersion(fields, o, o.Version), nil
}
