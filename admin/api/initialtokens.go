package api

import (
	"maps"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/settings"
)

func initialTokenOperations() []operation {
	const of = "/initial-access-tokens/{initial_access_token_id}"
	return []operation{
		{ID: "listInitialAccessTokens", Route: "GET /initial-access-tokens", Manage: "InitialTokens", Query: "after limit", Answer: list{"initial_access_tokens", "InitialAccessToken"}, run: listInitialTokens},
		{ID: "createInitialAccessToken", Route: "POST /initial-access-tokens", Manage: "AddInitialToken", Body: "NewInitialAccessToken", Answer: "CreatedInitialAccessToken", Created: true, run: createInitialToken},
		{ID: "getInitialAccessToken", Route: "GET " + of, Manage: "InitialToken", Answer: "InitialAccessToken", run: getInitialToken},
		{ID: "withdrawInitialAccessToken", Route: "DELETE " + of, Manage: "WithdrawInitialToken", Body: Reason{}, run: because(withdrawInitialToken)},
		{ID: "getClientRegistration", Route: "GET /clients/{client_id}/registration", Manage: "ClientRegistration", Answer: ClientRegistration{}, run: getClientRegistration},
	}
}

// ClientRegistration is how an app registered itself.
type ClientRegistration struct {
	InitialAccessTokenID   string    `json:"initial_access_token_id"`
	InitialAccessTokenName string    `json:"initial_access_token_name"`
	RegisteredAt           time.Time `json:"registered_at"`
}

// describeInitialTokens writes the schemas of initial access tokens.
func (d *document) describeInitialTokens() {
	token := d.thing("InitialAccessToken", specs(settings.InitialToken()))
	d.sets("NewInitialAccessToken", token, nil, without(token, "name", "populations", "redirect_hosts")...)
	d.says("InitialAccessToken", token, properties{
		"id": text(), "apps": number(), "created_by": text(), "created_at": moment(), "expires_at": moment(), "last_used_at": moment(), "withdrawn_at": moment(),
	}, "last_used_at", "withdrawn_at")
	d.says("CreatedInitialAccessToken", nil, properties{"initial_access_token": ref("InitialAccessToken"), "token": text()})
}

func initialTokenOf(t idp.InitialToken) object {
	body := settings.InitialToken().Encode(t)
	maps.Copy(body, object{"id": t.ID, "apps": t.Uses, "created_by": t.CreatedBy, "created_at": t.CreatedAt, "expires_at": t.ExpiresAt})
	for name, at := range map[string]time.Time{"last_used_at": t.UsedAt, "withdrawn_at": t.WithdrawnAt} {
		if !at.IsZero() {
			body[name] = at
		}
	}
	return body
}

func listInitialTokens(v *call) (any, error) {
	after, limit := v.page()
	all, next, err := v.manage.Apps.InitialTokens(v.ctx, v.actor, after, limit)
	if err != nil {
		return nil, err
	}
	return rows(v, all, next, initialTokenOf), nil
}

func createInitialToken(v *call) (any, error) {
	t, err := decoded(v, settings.InitialToken())
	if err != nil {
		return nil, err
	}
	t, token, err := v.manage.Apps.AddInitialToken(v.ctx, v.actor, t)
	if err != nil {
		return nil, err
	}
	return v.made(t.ID, 0, object{"initial_access_token": initialTokenOf(t), "token": token}), nil
}

func getInitialToken(v *call) (any, error) {
	t, err := v.manage.Apps.InitialToken(v.ctx, v.actor, v.Param("initial_access_token_id"))
	if err != nil {
		return nil, err
	}
	return initialTokenOf(t), nil
}

func withdrawInitialToken(v *call, reason string) error {
	return v.manage.Apps.WithdrawInitialToken(v.ctx, v.actor, v.Param("initial_access_token_id"), reason)
}

func getClientRegistration(v *call) (any, error) {
	r, t, err := v.manage.Apps.ClientRegistration(v.ctx, v.actor, v.Param("client_id"))
	return ClientRegistration{InitialAccessTokenID: r.TokenID, InitialAccessTokenName: t.Name, RegisteredAt: r.CreatedAt}, err
}
