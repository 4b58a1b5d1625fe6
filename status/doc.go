// Package status is the admin listener: metrics, health, readiness, a JSON view of the process and a web page that
// shows it.
//
//	GET /               the web page, one file without a build step; it asks /api/v1/status every two seconds
//	GET /metrics        Prometheus text
//	GET /healthz        200 while the process is alive; contacts no other server
//	GET /readyz         200 if no condition is down, else 503; degraded is 200
//	GET /api/v1/status  every section and condition as JSON
//
// The components of the process contribute [Section] and [Condition] values; this package knows none of the components.
// No request changes anything, and profiles are not served.
package status
