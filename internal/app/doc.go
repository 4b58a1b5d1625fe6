// Package app assembles the parts of etl, bottom up, and stops them in order: [Run] on one page, the adapters between
// the parts, and what etl check looks at. It decides nothing about data; the protocol is batch's.
package app
