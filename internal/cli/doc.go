// Package cli reads options and environment, and runs the commands of etl. Each command has a file; the options that
// several commands share are in options_*.go. The work of a command is done by the packages that it calls.
//
// All commands follow the same rules for options:
//
//   - An option is a flag, --kafka-brokers, a variable, ETL_KAFKA_BROKERS, and a key of the file that --config or
//     ETL_CONFIG names, kafka-brokers. The flag wins over the variable, and the variable over the file. An empty variable counts as unset; white space around a value is ignored. The variables by which Kubernetes
//     describes a service, ETL_MYSQL_PORT=tcp://10.0.0.1:3306, are not options.
//   - Addresses are validated before anything is opened.
//   - An unknown flag, ETL_ variable or key of the file is an error that suggests the nearest one that exists.
//   - An invalid value is an error that names the option, the value and the bound.
//   - Two alternatives at the same level, such as --mysql-dsn and --mysql-host, are an error. An
//     option takes precedence over its alternatives at lower levels.
//   - Nothing is started after an error.
package cli
