package server

// RouteTable is every route: its method and its path.
func (s *Server) RouteTable() [][2]string {
	var table [][2]string
	for _, r := range s.engine.Routes() {
		table = append(table, [2]string{r.Method, r.Path})
	}
	return table
}
