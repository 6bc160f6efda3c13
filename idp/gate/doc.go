// Package gate is how our own pages know their visitor: they are a relying party of
// this provider like any other, by a client that every installation has. It finds the
// sessions that may look, asks for sign-ins and step-ups, and takes the browser back.
// What a visitor may do is for the pages and the operations to say.
package gate
