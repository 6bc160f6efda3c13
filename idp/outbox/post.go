package outbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/store"
)

// How many mails are under way at a time: all in all, to one domain, and of those the ones
// that no person waits for. The rest is kept for codes and links.
const (
	mostMails, mostLater      = 12, 6
	mostToOne, mostLaterToOne = 4, 2
	// manyFailed in a row: the mail server is down, and gets a pause.
	manyFailed = 4
	// waitedFor is how long a mail is of use at most that a person waits for.
	waitedFor = time.Hour
	// shortPatience is how long the first attempt at a mail that a person waits for may
	// take; longPatience is as long as the mailer takes at most.
	shortPatience, longPatience = 8 * time.Second, 20 * time.Second
)

// postOffice counts the mails that are under way, so that those that hang do not hold up
// others.
type postOffice struct {
	mu     sync.Mutex
	all    load
	later  load
	failed int       // in a row
	rest   time.Time // until when nothing is begun
}

// load is how many mails are under way, and how many to each domain.
type load struct {
	total int
	to    map[string]int
}

func (l *load) add(domain string, n int) {
	l.total += n
	if l.to[domain] += n; l.to[domain] == 0 {
		delete(l.to, domain)
	}
}

// full lists the domains that have as many.
func (l *load) full(most int) (domains []string) {
	for domain, n := range l.to {
		if n >= most {
			domains = append(domains, domain)
		}
	}
	return domains
}

func newPostOffice() *postOffice {
	return &postOffice{all: load{to: map[string]int{}}, later: load{to: map[string]int{}}}
}

// room tells which domains have as much under way as they may. ok is false where
// nothing has room.
func (p *postOffice) room(later bool) (full []string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	full, ok = p.all.full(mostToOne), p.all.total < mostMails
	if later {
		full, ok = append(full, p.later.full(mostLaterToOne)...), ok && p.later.total < mostLater
	}
	return full, ok
}

func (p *postOffice) resting() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return idp.Now().Before(p.rest)
}

func (p *postOffice) count(d store.Delivery, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all.add(d.Destination, n)
	if !waited(d) {
		p.later.add(d.Destination, n)
	}
}

// ended notes what came of an attempt.
func (p *postOffice) ended(done bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed++; done {
		p.failed = 0
	}
	if p.failed >= manyFailed {
		p.rest = idp.Now().Add(lookEvery)
	}
}

// pause lets a database rest that takes no claim.
func (p *postOffice) pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rest = idp.Now().Add(lookEvery)
}

// waited tells whether a person waits for a mail: a code, a link.
func waited(d store.Delivery) bool { return d.ExpiresAt.Sub(d.CreatedAt) <= waitedFor }

// patience is how long an attempt may take: for what a person waits for, a little longer
// each time.
func patience(d store.Delivery) time.Duration {
	if !waited(d) {
		return longPatience
	}
	return min(longPatience, shortPatience*time.Duration(max(d.Attempts, 1)))
}

// post begins with mails that are due and for which there is room: first those that a
// person waits for, and of them those that were not tried yet. It waits for none; each
// that ends wakes the worker. Its share of a look is bounded, so that mails which fail at
// once do not keep the others from being tried.
func (w *Worker) post(ctx context.Context, p *postOffice, running *sync.WaitGroup) {
	if p.resting() {
		return
	}
	for _, later := range []bool{false, true} {
		for range mostMails {
			full, ok := p.room(later)
			if !ok || ctx.Err() != nil {
				break
			}
			now := idp.Now()
			d, err := asked(ctx, func(ctx context.Context) (store.Delivery, error) {
				return w.store.ClaimMail(ctx, MailLane, now, lease, store.MailChoice{Without: full, Later: later, Horizon: now.Add(waitedFor)})
			})
			if errors.Is(err, idp.ErrNotFound) {
				break
			}
			if err != nil {
				if ctx.Err() == nil {
					slog.ErrorContext(ctx, "claim deliveries", "lane", MailLane, "cause", err)
				}
				p.pause()
				return
			}
			p.count(d, 1)
			running.Go(func() {
				p.ended(w.attempt(ctx, d))
				p.count(d, -1)
				w.wake()
			})
		}
	}
}
