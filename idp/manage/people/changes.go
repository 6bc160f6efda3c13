package people

import (
	"strconv"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
)

// addressFacts are a person's. They are masked when the person is deleted or anonymised.
func addressFacts(u idp.User) authz.Facts {
	return authz.Facts{"email": u.Email, "email_verified": strconv.FormatBool(u.EmailVerified)}
}
