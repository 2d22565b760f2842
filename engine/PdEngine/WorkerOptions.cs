namespace PdEngine;

/// <summary>How a group's workers schedule: the group's overrides over the engine's options.</summary>
internal static class WorkerOptions
{
    public static SchedulerOptions Of(
        EngineOptions options, ServerGroup group, int contextTokens, KvPools pools)
    {
        GroupSettings settings = group.Settings;
        int chunk = settings.ChunkedPrefillSize ?? options.ChunkedPrefillSize;
        int maxPrefill = settings.MaxPrefillTokens ?? SchedulerOptions.DefaultMaxPrefillTokens;
        bool handsOff = group.WorkerType == WorkerType.Prefill;
        return new SchedulerOptions
        {
            ContextTokens = contextTokens,
            PrefillChunkTokens = chunk < 0 ? null : chunk,
            MaxPrefillTokens = chunk < 0 ? maxPrefill : Math.Min(maxPrefill, chunk),
            MaxPrefillSequences = settings.PrefillMaxRequests,
            MaxRunningSequences = settings.MaxRunningRequests ?? options.MaxRunningRequests,
            MaxQueuedSequences = settings.MaxQueuedRequests ?? options.MaxQueuedRequests,
            QuotaBlocks = (settings.MaxTotalTokens ?? options.MaxTotalTokens) is { } tokens
                ? (tokens + pools.PageSize - 1) / pools.PageSize
                : null,
            LooksAhead = !handsOff || options.KvDomain == KvDomainKind.Host,
            ReservedDecodeTokens = group.WorkerType == WorkerType.Decode
                ? settings.NumReservedDecodeTokens
                : 0,
            // Without a plan, and wherever a decode worker computes a short prompt itself, rows mix.
            MixesDecode = options.Topology is null || group.WorkerType != WorkerType.Regular
                || settings.EnableMixedChunk,
            UsesPrefixCache = !(settings.DisableRadixCache || options.DisableRadixCache),
            Policy = options.Topology is null ? options.SchedulePolicy : PolicyOf(settings.SchedulePolicy),
            Retraction = settings.RetractionPolicy == "priority"
                ? RetractionPolicy.Priority
                : RetractionPolicy.Length,
            Conservativeness = settings.ScheduleConservativeness,
            WatchdogTimeout = TimeSpan.FromSeconds(settings.WatchdogTimeoutSecs),
        };
    }

    private static SchedulePolicy PolicyOf(string name) => name switch
    {
        "lpm" => SchedulePolicy.LongestPrefixMatch,
        "priority" => SchedulePolicy.Priority,
        "routing-key" => SchedulePolicy.RoutingKey,
        _ => SchedulePolicy.Fcfs,
    };
}
