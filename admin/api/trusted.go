package api

import (
	"time"

	"gatehouse/idp"
)

func trustedOperations() []operation {
	return []operation{
		{ID: "listTrustedBrowsers", Route: "GET /users/{user_id}/trusted-browsers", Manage: "ListTrustedBrowsers", Answer: list{"trusted_browsers", TrustedBrowser{}}, run: listTrustedBrowsers},
		{
			ID: "forgetTrustedBrowser", Route: "DELETE /users/{user_id}/trusted-browsers/{browser_id}", Manage: "ForgetTrustedBrowser",
			Body: Reason{}, run: because(forgetTrustedBrowser),
		},
	}
}

// TrustedBrowser is a browser in which a person is not asked for the second step.
type TrustedBrowser struct {
	ID         string    `json:"id"`
	Address    string    `json:"address"`
	UserAgent  string    `json:"user_agent"`
	CreatedAt  time.Time `json:"created_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	LastUsedAt time.Time `json:"last_used_at,omitzero"`
}

func listTrustedBrowsers(v *call) (any, error) {
	all, err := v.manage.Factors.ListTrustedBrowsers(v.ctx, v.actor, v.Param("user_id"))
	if err != nil {
		return nil, err
	}
	return rows(v, all, "", func(b idp.TrustedBrowser) TrustedBrowser {
		return TrustedBrowser{ID: b.ID, Address: b.Address, UserAgent: b.UserAgent, CreatedAt: b.CreatedAt, ExpiresAt: b.Until(), LastUsedAt: b.LastUsedAt}
	}), nil
}

func forgetTrustedBrowser(v *call, reason string) error {
	return v.manage.Factors.ForgetTrustedBrowser(v.ctx, v.actor, v.Param("user_id"), v.Param("browser_id"), reason)
}
