package authz

// Facts are what is said of a thing in the audit log, by the names and in the values of
// the admin API; a list is written with spaces, which none of its values has.
type Facts map[string]string

// Differing adds to an event's detail what was before and what is after, of everything
// that differs: "before.scopes" and "after.scopes".
func Differing(detail map[string]string, before, after Facts) map[string]string {
	for name, value := range after {
		if was := before[name]; was != value {
			detail["before."+name], detail["after."+name] = was, value
		}
	}
	return detail
}
