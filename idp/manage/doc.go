// Package manage puts the rooms together in which people, populations, clients and links
// are managed, and makes what every installation begins with. API, console, account pages
// and commands call the rooms; sign-in and provider write what belongs to a sign-in
// themselves.
package manage
