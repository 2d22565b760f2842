namespace PdEngine;

/// <summary>What one worker may take of its domain's KV pool.</summary>
/// <param name="DeviceCount">Its devices.</param>
/// <param name="MemFractionStatic">
/// Share of its devices' memory for weights and KV; null where neither file nor flag for groups says it.
/// </param>
/// <param name="MaxTotalTokens">Its quota in tokens; null where it has none.</param>
internal readonly record struct KvShare(int DeviceCount, double? MemFractionStatic, int? MaxTotalTokens)
{
    /// <summary>One share for each worker of a service, in order of their indices.</summary>
    public static KvShare[] Of(ServedModel model, EngineOptions options) =>
        [.. model.Groups.SelectMany(group => group.Workers.Select(worker => new KvShare(worker.Devices.Count,
            group.Settings.MemFractionStatic, group.Settings.MaxTotalTokens ?? options.MaxTotalTokens)))];
}
