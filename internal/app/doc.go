// Package app assembles the components of etl, bottom up, and stops them in order. It holds [Run], the adapters between
// the components, and [Check]. It makes no decisions about data; the commit protocol is in package batch.
package app
