// Package links owns links by mail for people who are not signed in: invitations,
// registration, a new password, the first admin, and the way in when portal access allows
// none. Its pages are in packages login and admin.
package links
