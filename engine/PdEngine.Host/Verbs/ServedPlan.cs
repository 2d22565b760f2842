namespace PdEngine.Host;

/// <summary>The plan that a verb loads weights for, and the service of it that answers.</summary>
internal sealed record ServedPlan(Topology Topology, ServedModel Service)
{
    public int WorkerCount => Service.Groups.Sum(group => group.Workers.Count);

    /// <summary>Requests under way at once, as slime's client counts them.</summary>
    public int Concurrency => (int)Math.Min(1 << 20, (long)Topology.ServerConcurrency * WorkerCount);

    /// <summary>Says on standard error what a reader of the plan should know.</summary>
    public void ShowNotices()
    {
        foreach (TopologyWarning warning in Topology.Warnings.Where(one => !one.IsOfCpuDevices))
        {
            string line = warning.Line is { } at ? $"line {at}: " : "";
            Console.Error.WriteLine($"notice: {line}{warning.Text}");
        }
        IEnumerable<TopologyNotYet> speed = Topology.NotYet.Where(item => !item.ChangesResults
            && item.Service == Service.Name);
        foreach (string item in PlanChecks.Describe(speed))
            Console.Error.WriteLine($"notice: not there yet, and changes speed only: {item}");
    }

    /// <summary>For example <c>actor: 1 prefill and 3 decode workers on 4 devices</c>.</summary>
    public override string ToString()
    {
        IEnumerable<string> counts = Service.Groups.Where(group => group.Workers.Count > 0)
            .GroupBy(group => group.WorkerType)
            .Select(same => $"{same.Sum(group => group.Workers.Count)} {GroupResolver.Name(same.Key)}");
        return $"{Service.Name}: {string.Join(" and ", counts)} worker{(WorkerCount == 1 ? "" : "s")} on "
            + $"{Service.DeviceCount} device{(Service.DeviceCount == 1 ? "" : "s")}";
    }
}
