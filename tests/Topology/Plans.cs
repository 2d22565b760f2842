using System.Text;

namespace PdEngine.Tests;

/// <summary>Topologies from text, and the faults that text has.</summary>
internal static class Plans
{
    /// <summary>slime's example: 4 devices prefill in pairs, 12 decode in fours.</summary>
    public const string Slime = """
        sglang:
          - name: actor
            update_weights: true
            server_groups:
              - worker_type: prefill
                num_gpus: 4
                num_gpus_per_engine: 2
                overrides:
                  chunked_prefill_size: 8192
              - worker_type: decode
                num_gpus: 12
                num_gpus_per_engine: 4
                overrides:
                  mem_fraction_static: 0.88
        """;

    public static Topology Of(string yaml, TopologyFlags? flags = null) =>
        new TopologyResolver(flags ?? new TopologyFlags { CoreCount = 64 },
            TopologyFile.Parse("plan.yaml", Encoding.UTF8.GetBytes(yaml))).Resolve();

    public static TopologyException FaultOf(string yaml, TopologyFlags? flags = null) =>
        Assert.Throws<TopologyException>(() => Of(yaml, flags))!;

    /// <summary>One model with one regular group of so many devices, then more lines of the group.</summary>
    public static string Regular(int devices, params string[] lines) => Model("regular", devices, lines);

    public static string Model(string workerType, int devices, params string[] lines) =>
        $"sglang:\n  - name: m\n    server_groups:\n      - worker_type: {workerType}\n        num_gpus: "
            + $"{devices}\n"
        + string.Concat(lines.Select(line => $"        {line}\n"));

    /// <summary>One regular group of four devices with one override, which is line 7.</summary>
    public static string Override(string line) => Regular(4, "overrides:", $"  {line}");

    public static ServerGroup OnlyGroup(Topology plan) => plan.Models.Single().Groups.Single();
}
