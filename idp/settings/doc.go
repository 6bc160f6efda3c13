// Package settings describes the things that can be set, such as the session rules of a
// population, a field at a time. A description is read by all who deal with the thing:
// the console's forms, the admin API's bodies and their schema, the audit log and the
// tables of the documentation.
//
// It does no I/O. Who may change a thing, and what follows from a change, stands with the
// operation (idp/manage); texts stand in the catalogues (ui/messages).
package settings
