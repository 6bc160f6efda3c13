package federation

import (
	"fmt"
	"net/url"
	"regexp"

	"gatehouse/idp"
)

// microsoftForm is how Entra numbers what went wrong.
var microsoftForm = regexp.MustCompile(`AADSTS[0-9]{4,9}`)

// microsoftCode is the number in a description, which itself may hold an address.
func microsoftCode(description string) string { return microsoftForm.FindString(description) }

// refusal reads the error of an answer (RFC 6749 section 4.1.2.1), nil for none.
func refusal(answer url.Values) error {
	code := answer.Get("error")
	if code == "" {
		return nil
	}
	number := microsoftCode(answer.Get("error_description"))
	cause := fmt.Errorf("error %.60q %s", code, number)
	return &idp.FederationError{Reason: refusalReason(code, number), Cause: cause, MadeUp: true}
}

func refusalReason(code, number string) idp.FederationReason {
	switch number {
	case "AADSTS50105", "AADSTS50177", "AADSTS50020": // not assigned; a guest who is not in the directory
		return idp.FederationAssignment
	case "AADSTS65004", "AADSTS90094", "AADSTS65001": // consent was declined, or is an admin's to give
		return idp.FederationDenied
	case "AADSTS50076", "AADSTS50079", "AADSTS53003", "AADSTS50158": // a second step or condition was not met
		return idp.FederationEvidence
	}
	switch code {
	case "access_denied", "login_required", "interaction_required", "consent_required", "account_selection_required":
		return idp.FederationDenied
	case "server_error", "temporarily_unavailable":
		return idp.FederationDown
	case "unmet_authentication_requirements":
		return idp.FederationEvidence
	}
	return idp.FederationSetup
}
