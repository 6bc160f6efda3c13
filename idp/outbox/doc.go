// Package outbox owns durable deliveries: mails and logout tokens are stored in
// the transaction of what they tell about, and carried out afterwards, at least
// once, with waiting between attempts. It does not know what mails say, nor who is
// to be told of what.
package outbox
