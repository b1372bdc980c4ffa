/**
 * nest-kit: what every service's process shares. Configuration, the HTTP application with problem
 * documents, health, metrics, logging, start errors and shutdown. With the apps, the only place that
 * knows Nest; it knows nothing of keys, Raft or storage.
 */
export { configHelp } from './config/config-help.ts';
export { loadConfig, processSources } from './config/config-loader.ts';
export type { ConfigOutcome, ConfigSources } from './config/config-loader.ts';
export { describeConfig } from './config/config-table.ts';
export type { Config, OptionDescription } from './config/config-table.ts';
export { nearestName } from './edit-distance.ts';
export { HealthModule } from './health/health.module.ts';
export { HealthRegistry } from './health/health-registry.ts';
export type { CheckResult } from './health/health-registry.ts';
export { HttpApp } from './http/http-app.ts';
export type { HttpAppOptions } from './http/http-app.ts';
export { httpLimits } from './http/http-limits.ts';
export type { HttpLimits } from './http/http-limits.ts';
export type { HttpReply, HttpRequest } from './http/http-types.ts';
export { FailureException, problemAnswer, problemOf, writeProblem } from './http/problem.ts';
export type { Problem, ProblemHeaders } from './http/problem.ts';
export { REQUEST_ID_HEADER, requestIdOf } from './http/request-id.ts';
export type { HotRoutes } from './http/hot-routes.ts';
export type { Http1Request } from './http1/request.ts';
export { KvLogger } from './logger.ts';
export type { EventLog, LogFields, LogLevel } from './logger.ts';
export { Counter, Histogram, MetricRegistry } from './metrics/metric-registry.ts';
export type { Labels, MetricFamily, Observation } from './metrics/metric-registry.ts';
export { MetricsServer } from './metrics/metrics-server.ts';
export { OperationMetrics } from './metrics/request-metrics.ts';
export type { RequestCode } from './metrics/request-metrics.ts';
export { observeRuntime } from './metrics/runtime-metrics.ts';
export { Shutdown } from './shutdown.ts';
export type { ShutdownOptions } from './shutdown.ts';
export { asStartError, listenError, runMain, StartError, startErrorLine } from './start-error.ts';
export type { StartErrorCode } from './start-error.ts';
export { errorCode } from './system-error.ts';
export { parseByteSize, parseDuration } from './units.ts';
export { claimName } from './control/claim-name.ts';
export { controlPattern, ControlTransport } from './control/control-transport.ts';
export type { ControlService } from './control/control-transport.ts';
export { Self } from './control/self.ts';
export { clusterSecret, DataDirectory } from './process/data-directory.ts';
export type { NodeIdentity } from './process/data-directory.ts';
export { joinCluster, serveMetrics } from './process/join-cluster.ts';
export type { NatsLanes } from './process/nats-lanes.ts';
export type { NodeContext } from './process/node-context.ts';
export { initialNodes, nodeIdOf } from './process/node-names.ts';
export { openMember, stopOn, systemRandom } from './process/open-member.ts';
export { watchRefusedFrames } from './process/refused-frames.ts';
export type { RefusedFramesOptions } from './process/refused-frames.ts';
export { runService, version } from './process/run-service.ts';
export type { ServiceStart } from './process/run-service.ts';
export { ServiceApp } from './process/service-app.ts';
export { systemClock, systemTimers } from './system-time.ts';
