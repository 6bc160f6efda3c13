package server

import "context"

// RouteTable is every route: its method and its path.
func (s *Server) RouteTable() [][2]string {
	var table [][2]string
	for _, r := range s.engine.Routes() {
		table = append(table, [2]string{r.Method, r.Path})
	}
	return table
}

// SweepNow runs the job that removes what has expired.
func (s *Server) SweepNow(ctx context.Context) error { return s.sweep(ctx) }

// MetricNames are the names of all metrics.
func (s *Server) MetricNames() []string { return s.metrics.Names() }
