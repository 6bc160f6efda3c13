package api

import (
	"maps"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage"
	"gatehouse/idp/settings"
)

// ListClients implements ServerInterface.
func (h handlers) ListClients(c *gin.Context, params ListClientsParams) {
	h.do(c, func(v *call) error {
		list, next, err := v.manage.Clients(v.ctx, v.actor, manage.Cursor(or(params.After)), or(params.Limit))
		if err != nil {
			return err
		}
		return v.json(http.StatusOK, withNext(map[string]any{"clients": each(list, clientOf)}, next))
	})
}

// nextOf is left out on the last page.
func nextOf(next manage.Cursor) *Next {
	if next == "" {
		return nil
	}
	text := string(next)
	return &text
}

// withNext says where the next page begins, where there is one.
func withNext(body map[string]any, next manage.Cursor) map[string]any {
	if next != "" {
		body["next"] = string(next)
	}
	return body
}

func clientOf(e manage.ClientEntry) map[string]any {
	body := withVersion(settings.Client(), e.Client, e.Version)
	maps.Copy(body, map[string]any{"id": e.ID, "secrets": e.Secrets, "created_at": e.CreatedAt})
	return body
}

// full is a list that is never null.
func full(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// CreateClient implements ServerInterface.
func (h handlers) CreateClient(c *gin.Context) {
	h.do(c, func(v *call) error {
		c, err := decoded(v, settings.Client())
		if err != nil {
			return err
		}
		e, secret, err := v.manage.AddClient(v.ctx, v.actor, c)
		if err != nil {
			return err
		}
		created := map[string]any{"client": clientOf(e)}
		if secret != "" {
			created["secret"] = secret
		}
		return v.created(e.ID, e.Version, created)
	})
}

// GetClient implements ServerInterface.
func (h handlers) GetClient(c *gin.Context, id ClientID) {
	h.do(c, func(v *call) error {
		e, err := v.manage.Client(v.ctx, v.actor, id)
		if err != nil {
			return err
		}
		return v.versioned(http.StatusOK, e.Version, clientOf(e))
	})
}

// UpdateClient implements ServerInterface.
func (h handlers) UpdateClient(c *gin.Context, id ClientID, params UpdateClientParams) {
	h.do(c, func(v *call) error {
		c, err := decoded(v, settings.Client())
		if err != nil {
			return err
		}
		c.ID = id
		e, err := v.manage.UpdateClient(v.ctx, v.actor, manage.ClientEntry{Version: versionIn(params.IfMatch), Client: c})
		if err != nil {
			return stale(err)
		}
		return v.versioned(http.StatusOK, e.Version, clientOf(e))
	})
}

// DeleteClient implements ServerInterface.
func (h handlers) DeleteClient(c *gin.Context, id ClientID) {
	h.because(c, func(v *call, reason string) error { return v.manage.DeleteClient(v.ctx, v.actor, id, reason) })
}

// because carries out an operation that takes a reason and answers nothing.
func (h handlers) because(c *gin.Context, operation func(v *call, reason string) error) {
	h.do(c, func(v *call) error {
		reason, err := v.reason()
		if err != nil {
			return err
		}
		if err := operation(v, reason); err != nil {
			return err
		}
		return v.done()
	})
}

// AddClientSecret implements ServerInterface.
func (h handlers) AddClientSecret(c *gin.Context, id ClientID) {
	h.do(c, func(v *call) error {
		secret, err := v.manage.AddClientSecret(v.ctx, v.actor, id)
		if err != nil {
			return err
		}
		return v.json(http.StatusCreated, ClientSecret{Secret: secret})
	})
}

// RemoveClientSecret implements ServerInterface.
func (h handlers) RemoveClientSecret(c *gin.Context, id ClientID, index Index) {
	h.do(c, func(v *call) error {
		if err := v.manage.RemoveClientSecret(v.ctx, v.actor, id, index); err != nil {
			return err
		}
		return v.done()
	})
}

// ListDeliveries implements ServerInterface.
func (h handlers) ListDeliveries(c *gin.Context) {
	h.do(c, func(v *call) error {
		lanes, err := v.manage.Deliveries(v.ctx, v.actor)
		if err != nil {
			return err
		}
		list := DeliveryList{Deliveries: make([]Delivery, len(lanes))}
		for i, l := range lanes {
			list.Deliveries[i] = Delivery{
				Lane: l.Lane, Waiting: l.Waiting, Retrying: l.Retrying, Delivered: l.Delivered, Failed: l.Failed,
				OldestAt: moment(l.OldestAt), LastError: text(l.LastError),
			}
		}
		return v.json(http.StatusOK, list)
	})
}

// moment is left out when it is zero.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// text is left out when it is empty.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// RetryDeliveries implements ServerInterface.
func (h handlers) RetryDeliveries(c *gin.Context, lane Lane) {
	h.do(c, func(v *call) error {
		n, err := v.manage.RetryDeliveries(v.ctx, v.actor, lane)
		if err != nil {
			return err
		}
		return v.json(http.StatusOK, RetriedDeliveries{Retried: n})
	})
}

// ListKeys implements ServerInterface.
func (h handlers) ListKeys(c *gin.Context) {
	h.do(c, func(v *call) error {
		keys, err := v.manage.SigningKeys(v.ctx, v.actor)
		if err != nil {
			return err
		}
		now := idp.Now()
		list := KeyList{Keys: make([]SigningKey, len(keys))}
		for i, k := range keys {
			state := SigningKeyStateVerifies
			switch {
			case now.Before(k.SignsFrom):
				state = SigningKeyStateNext
			case k.SignsUntil.IsZero() || now.Before(k.SignsUntil):
				state = SigningKeyStateSigns
			}
			list.Keys[i] = SigningKey{
				ID: k.ID, Algorithm: SigningAlg(k.Algorithm), State: state, CreatedAt: k.CreatedAt, SignsFrom: k.SignsFrom,
				SignsUntil: moment(k.SignsUntil), ExpiresAt: moment(k.ExpiresAt),
			}
		}
		return v.json(http.StatusOK, list)
	})
}

// RotateKeys implements ServerInterface.
func (h handlers) RotateKeys(c *gin.Context) {
	h.do(c, func(v *call) error {
		reason, err := v.reason()
		if err != nil {
			return err
		}
		n, err := v.manage.RotateKeys(v.ctx, v.actor, reason)
		if err != nil {
			return err
		}
		return v.json(http.StatusOK, RotatedKeys{Rotated: n})
	})
}

// RevokeKey implements ServerInterface.
func (h handlers) RevokeKey(c *gin.Context, id KeyID) {
	h.because(c, func(v *call, reason string) error { return v.manage.RevokeKey(v.ctx, v.actor, id, reason) })
}
