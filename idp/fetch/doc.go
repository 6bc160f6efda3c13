// Package fetch owns requests that the server itself makes to configured addresses: what
// they may reach, and how long and large they may be. It does not know what is asked.
package fetch
