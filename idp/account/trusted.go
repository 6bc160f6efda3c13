package account

import "gatehouse/ui"

// trusted fills in the browsers in which the viewer is not asked for the second step.
func (v *visit) trusted(page *ui.AccountSessions) error {
	list, err := v.pages.Manage.Self.OwnTrusted(v.Request.Context(), v.self)
	page.ForgetAction = v.path("/sessions/forget")
	for _, b := range list {
		page.Trusted = append(page.Trusted, ui.TrustedRow{
			ID: b.ID, UserAgent: b.UserAgent, Address: b.Address, Since: b.CreatedAt, Until: b.Until(), LastUsedAt: b.LastUsedAt,
			Present: b.ID == v.viewer.Trusted.ID,
		})
	}
	return err
}

// postForget ends the trust in a browser.
func (v *visit) postForget() error {
	if err := v.pages.Manage.Self.ForgetOwnTrusted(v.Request.Context(), v.self, v.PostForm("browser")); err != nil {
		return err
	}
	return v.done("/sessions", "account.done.browser_forgotten")
}
