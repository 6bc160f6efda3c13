package keys

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/store"
)

// Revoke withdraws a key at once, such as one that leaked: it signs nothing any more, is
// no longer published, and our own endpoints refuse what it signed. Where it was the one
// that signs, the successor signs at once, made now where none waits: relying parties that
// keep our keys refuse its tokens until they fetch them again. idp.ErrNotFound: there is
// no such key.
func (k *Keys) Revoke(ctx context.Context, kid string) error {
	err := k.store.Do(ctx, func(ctx context.Context) error {
		if err := k.store.LockKeys(ctx); err != nil {
			return err
		}
		rows, err := k.store.SigningKeys(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(rows, func(r store.SigningKey) bool { return r.ID == kid })
		if i < 0 {
			return fmt.Errorf("signing key: %w", idp.ErrNotFound)
		}
		if err := k.replace(ctx, rows, rows[i]); err != nil {
			return err
		}
		if err := k.store.DeleteSigningKey(ctx, kid); err != nil {
			return err
		}
		return k.store.Audit(ctx, idp.AuditEvent{
			Kind: idp.AuditKeyRevoked, Detail: map[string]string{"kid": kid, "alg": string(rows[i].Algorithm)},
		})
	})
	if err != nil {
		return err
	}
	return k.reloadAfter(ctx)
}

// reloadAfter reads the keys again once the transaction of ctx is committed, at once
// where there is none. What fails is tried again within Staleness (Follow).
func (k *Keys) reloadAfter(ctx context.Context) (err error) {
	k.store.AfterCommit(ctx, func() {
		if err = k.Reload(store.Committed(ctx)); err != nil {
			slog.ErrorContext(ctx, "reload the signing keys", "cause", err)
		}
	})
	return err
}

// replace sees to it that its algorithm signs without a key that goes.
func (k *Keys) replace(ctx context.Context, rows []store.SigningKey, gone store.SigningKey) error {
	now := idp.Now()
	var signs, waits *store.SigningKey
	for i := range rows {
		r := &rows[i]
		switch {
		case r.Algorithm != gone.Algorithm || r.ID == gone.ID:
		case now.Before(r.SignsFrom):
			waits = r
		case r.SignsUntil.IsZero() || now.Before(r.SignsUntil):
			signs = r
		}
	}
	switch {
	case gone.SignsFrom.After(now) && signs != nil && waits == nil: // the one that signs goes on until another is known
		takeover := now.Add(PublishAhead)
		if err := k.store.ProlongSigningKey(ctx, signs.ID, takeover, takeover.Add(KeepPublished)); err != nil {
			return err
		}
		return k.create(ctx, gone.Algorithm, now, takeover)
	case signs != nil || gone.SignsFrom.After(now) && waits != nil:
		return nil
	case waits != nil:
		return k.store.StartSigningKey(ctx, waits.ID, now)
	}
	return k.create(ctx, gone.Algorithm, now, now)
}

// inOrder are the keys as they are published: for verifiers that take the first key of a
// type whatever its kid, the one that signs now comes first, and RSA, which all of them
// know, before the others.
func inOrder(rows []store.SigningKey, now time.Time) []store.SigningKey {
	rank := func(r store.SigningKey) int {
		switch {
		case now.Before(r.SignsFrom):
			return 1
		case r.SignsUntil.IsZero() || now.Before(r.SignsUntil):
			return 0
		}
		return 2
	}
	sorted := slices.Clone(rows)
	slices.SortStableFunc(sorted, func(a, b store.SigningKey) int {
		algs := idp.Algorithms()
		if d := slices.Index(algs, a.Algorithm) - slices.Index(algs, b.Algorithm); d != 0 {
			return d
		}
		return rank(a) - rank(b)
	})
	return sorted
}
