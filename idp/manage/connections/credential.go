package connections

import (
	"gatehouse/idp"
	"gatehouse/idp/keyring"
)

// credentialLost tells whether nothing readable proves to the other side who we are: the
// master key of the connection's secret or key is lost.
func (m *Manager) credentialLost(c idp.Connection) bool {
	sealed, column := c.Secret, "secret"
	if len(c.Key) > 0 {
		sealed, column = c.Key, "private_key"
	}
	if len(sealed) == 0 || m.Keyring == nil {
		return len(sealed) == 0
	}
	_, err := m.Keyring.Open(sealed, keyring.AAD("connections", c.ID, column))
	return err != nil
}
