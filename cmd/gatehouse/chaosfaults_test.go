//go:build unix

package main_test

import (
	"context"
	"math/rand/v2"
	"syscall"
	"time"

	"gatehouse/idp/idptest"
)

// fault is one thing that is done to replicas or database. They run when do returns.
type fault struct {
	name string
	of   int // how often it comes for each time that the rarest does
	do   func(context.Context)
}

const (
	replicasKilled = "replicas killed"
	postgresKilled = "PostgreSQL killed"
)

func (c *chaos) faults() []fault {
	list := []fault{
		{replicasKilled, 8, func(context.Context) { p := c.anyReplica(); p.kill(); p.start() }},
		{"replicas drained", 1, func(context.Context) { p := c.anyReplica(); p.stop(); p.start() }},
		{"replicas stalled", 2, c.stallReplica},
	}
	if c.disk != nil {
		list = append(list, fault{"disk full", 1, c.fillDisk})
	}
	if c.cluster != nil {
		list = append(list, fault{postgresKilled, 5, c.killPostgres}, fault{"PostgreSQL stalled", 1, c.stallPostgres})
	}
	if c.wire != nil {
		list = append(list, fault{"connections cut", 1, func(context.Context) { c.wire.Cut() }}, fault{"network swallowed all", 1, c.swallow})
	}
	return list
}

// disturb does one thing after the other until ctx ends: first each once.
func (c *chaos) disturb(ctx context.Context) {
	all := c.faults()
	for round := 0; ctx.Err() == nil; round++ {
		for _, at := range rand.Perm(len(all)) {
			if f := all[at]; round%8 < f.of && rest(ctx, time.Duration(100+rand.IntN(1200))*time.Millisecond) {
				f.do(ctx)
				c.count(f.name)
			}
		}
	}
}

func (c *chaos) anyReplica() *process { return c.replicas[rand.IntN(2)] }

// aWhile lets a fault last.
func aWhile(ctx context.Context) { rest(ctx, time.Duration(300+rand.IntN(2200))*time.Millisecond) }

func (c *chaos) stallReplica(ctx context.Context) {
	p := c.anyReplica()
	idptest.Must(c.t, p.cmd.Process.Signal(syscall.SIGSTOP))
	aWhile(ctx)
	idptest.Must(c.t, p.cmd.Process.Signal(syscall.SIGCONT))
}

func (c *chaos) killPostgres(ctx context.Context) {
	c.cluster.end(syscall.SIGKILL)
	rest(ctx, time.Duration(rand.IntN(300))*time.Millisecond)
	c.cluster.start()
}

func (c *chaos) stallPostgres(ctx context.Context) {
	c.cluster.stall()
	aWhile(ctx)
	c.cluster.goOn()
}

// fillDisk fills the database's disk. PostgreSQL may end by that; somebody who has made room
// starts it again.
func (c *chaos) fillDisk(ctx context.Context) {
	c.disk.fill()
	aWhile(ctx)
	c.disk.free()
	if c.cluster != nil {
		c.cluster.revive()
	}
}

// swallow has the network answer nothing for a while. What was under way is cut then.
func (c *chaos) swallow(ctx context.Context) {
	c.wire.Swallow(true)
	aWhile(ctx)
	c.wire.Swallow(false)
	c.wire.Cut()
}
