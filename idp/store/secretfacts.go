package store

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"gatehouse/idp"
)

// secretFact is stored by the hash of its secret: an older program changes the hashes alone.
// Times are microseconds.
type secretFact struct {
	Created int64 `json:"c,omitempty"`
	Used    int64 `json:"u,omitempty"`
}

func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicro(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

func encodeSecretFacts(c idp.Client) string {
	facts := map[string]secretFact{}
	for i, hash := range c.SecretHashes {
		if f := c.SecretFact(i); f != (idp.SecretFact{}) {
			facts[base64.StdEncoding.EncodeToString(hash)] = secretFact{micro(f.CreatedAt), micro(f.UsedAt)}
		}
	}
	b, _ := json.Marshal(facts) // texts and integers always marshal
	return string(b)
}

func decodeSecretFacts(text string, hashes [][]byte) (facts []idp.SecretFact, err error) {
	stored := map[string]secretFact{}
	if err := json.Unmarshal([]byte(text), &stored); err != nil {
		return nil, fmt.Errorf("read the facts of secrets: %w", err)
	}
	for _, hash := range hashes {
		f := stored[base64.StdEncoding.EncodeToString(hash)]
		facts = append(facts, idp.SecretFact{CreatedAt: fromMicro(f.Created), UsedAt: fromMicro(f.Used)})
	}
	return facts, nil
}

// UseSecret notes when a secret was used, by its place. Where the secrets are others by now,
// it notes nothing: the next use does. What is left of secrets that are gone goes with it.
func (s *Store) UseSecret(ctx context.Context, c idp.Client, i int, at time.Time) error {
	c.SecretFacts = slices.Clone(c.SecretFacts)
	c.SecretFacts[i].UsedAt = at
	r := s.writer(ctx).Model(&clientRow{}).Where("id = ? AND secret_hashes = ?", c.ID, encodeHashes(c.SecretHashes)).
		UpdateColumn("secret_facts", encodeSecretFacts(c))
	s.forgetClient(c.ID)
	return written(r.Error, "use of a secret")
}
