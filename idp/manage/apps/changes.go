package apps

import (
	"strconv"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
)

// secretsOf is how many secrets an app has; nothing else is said of them.
func secretsOf(c idp.Client) authz.Facts {
	return authz.Facts{"secrets": strconv.Itoa(len(c.SecretHashes))}
}
