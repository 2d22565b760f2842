using System.Numerics;

namespace PdEngine;

/// <summary>Refuses a plan that this engine cannot start, or that a checkpoint cannot serve.</summary>
internal static class PlanChecks
{
    private const int MaxDevices = 1024;
    private const int MaxRunningRequests = 65536;
    private const int MaxStepTokens = 131072;

    /// <summary>
    /// What needs no checkpoint: things that are not there yet, and sizes beyond this backend.
    /// </summary>
    /// <exception cref="TopologyException">The file asks for it; every line is named.</exception>
    /// <exception cref="OptionsException">A flag asks for it.</exception>
    public static void ThrowIfNotYet(Topology plan, ServedModel model)
    {
        List<TopologyNotYet> missing = [.. plan.NotYet.Where(item => item.ChangesResults
            && item.Service == model.Name)];
        if (missing.Count > 0)
            throw Refusal(plan, missing);
        if (!model.Groups.Any(group => group.Workers.Count > 0))
        {
            throw plan.Fault(model.Line, $"'{model.Name}' has no workers: it is a router alone, which loads "
                + "no weights; give it server groups, or name another service with --service");
        }
        int devices = model.Groups.Sum(group => group.Workers.Sum(worker => worker.Devices.Count));
        if (devices > MaxDevices)
        {
            throw plan.Fault(model.Line, $"'{model.Name}' has workers on {devices} devices; the CPU backend "
                + $"runs at most {MaxDevices}");
        }
        foreach (ServerGroup group in model.Groups.Where(group => group.Workers.Count > 0))
            CheckGroup(plan, model, group);
    }

    /// <summary>
    /// What no backend serves: ranks that do not halve. Of more than 4 others may still come to serve them.
    /// </summary>
    /// <inheritdoc cref="ThrowIfNotYet" path="/exception"/>
    public static void ThrowIfNeverServed(Topology plan)
    {
        foreach (ServedModel model in plan.Models)
        {
            foreach (ServerGroup group in model.Groups.Where(group => group.Workers.Count > 0))
            {
                if (!BitOperations.IsPow2(group.Settings.TpSize))
                    throw TpFault(plan, model, group);
            }
        }
    }

    /// <summary>Everything that can be known before weights are read.</summary>
    /// <inheritdoc cref="ThrowIfNotYet" path="/exception"/>
    public static void ThrowIfUnservable(Topology plan, ServedModel model, ModelConfig config)
    {
        ThrowIfNotYet(plan, model);
        foreach (ServerGroup group in model.Groups)
        {
            if (group.Settings.ContextLength > config.MaxPositions)
            {
                throw plan.Fault(LineOf(group, "context_length"), $"{Where(model, group)}: context_length "
                    + $"{group.Settings.ContextLength} is over the {config.MaxPositions} positions that the "
                    + "checkpoint was made for; lower it or leave it out");
            }
        }
    }

    /// <summary>Not-yet items in words, each once with every place that asks for it.</summary>
    public static IEnumerable<string> Describe(IEnumerable<TopologyNotYet> items) =>
        items.GroupBy(item => item.What).Select(same => $"{same.Key} ({Places([.. same])})");

    private static string Places(TopologyNotYet[] same)
    {
        string where = same.Length == 1 ? same[0].Where : $"{same.Length} groups";
        int[] lines = [.. same.Select(item => item.Line).OfType<int>().Order()];
        return lines.Length switch
        {
            0 => $"{where}, by a flag",
            1 => $"{where}, line {lines[0]}",
            _ => $"{where}, lines {string.Join(", ", lines)}",
        };
    }

    private static PdEngineException Refusal(Topology plan, List<TopologyNotYet> missing)
    {
        string problem = "not there yet, and without it tokens or the memory format would differ: "
            + string.Join("; ", Describe(missing)) + "; remove it to load weights";
        if (missing.Min(item => item.Line) is { } line)
            return plan.Fault(line, problem);
        string key = missing[0].What.Split(':')[0];
        return new OptionsException($"--sglang-{key.Replace('_', '-')}", problem);
    }

    private static void CheckGroup(Topology plan, ServedModel model, ServerGroup group)
    {
        if (group.Settings.TpSize is not (1 or 2 or 4))
            throw TpFault(plan, model, group);
        Limit("max_running_requests", group.Settings.MaxRunningRequests, MaxRunningRequests);
        Limit("chunked_prefill_size", group.Settings.ChunkedPrefillSize, MaxStepTokens);
        Limit("max_prefill_tokens", group.Settings.MaxPrefillTokens, MaxStepTokens);

        void Limit(string key, int? value, int most)
        {
            if (value > most)
            {
                throw plan.Fault(LineOf(group, key), $"{Where(model, group)}: {key} {value} is over {most}, "
                    + "the most that one worker computes in a step");
            }
        }
    }

    private static PdEngineException TpFault(Topology plan, ServedModel model, ServerGroup group) =>
        plan.Fault(LineOf(group, "tp_size"), $"{Where(model, group)}: tp_size {group.Settings.TpSize} "
            + "(devices per worker) is not served; a worker has 1, 2 or 4 devices: set num_gpus_per_engine");

    private static int? LineOf(ServerGroup group, string key) =>
        group.Overrides.FirstOrDefault(entry => entry.Key == key)?.Line ?? group.Line;

    private static string Where(ServedModel model, ServerGroup group) =>
        $"'{model.Name}' group {group.Index} ({GroupResolver.Name(group.WorkerType)})";
}
