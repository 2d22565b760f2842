using System.Text;

namespace PdEngine.Tests;

/// <summary>
/// Spoils topology files, byte by byte and value by value, and reads them as a user's would be. Each
/// resolves to a plan, which is then shown to the checks before loading, or is refused with a typed error
/// of one short message; anything else is a failure, as is memory beyond a small multiple of the file.
/// </summary>
internal sealed class TopologyFuzz
{
    private const int MaxAllocatedBytes = 8 << 20;

    private static readonly string[] Sources =
    [
        Plans.Slime,
        HostileTopologyTests.Bomb("sglang: [{name: *a}]\n"),
        """
        sglang:
          - name: actor
            num_gpus_per_engine: 2
            engine_groups:
              - {worker_type: placeholder, num_gpus: 3}
              - &g {worker_type: regular, num_gpus: 4, overrides: {page_size: 16, mem-fraction-static: 0.5}}
              - *g
          - name: "judge é"
            model_path: /of/judge
            update_weights: false
            server_groups:
              - worker_type: encoder
                num_gpus: 1
              - worker_type: decode
                num_gpus: 2
                overrides: {quantization: fp8, max_total_tokens: 4096, schedule_policy: lpm}
              - worker_type: prefill
                num_gpus: 1
                overrides: {cuda_graph_bs: [1, 2], disable_radix_cache: on, watchdog_timeout: 1e2}
        """,
    ];

    private static readonly string[] Fragments =
    [
        "{", "}", "[", "]", "&a ", "*a", "!", "|", ">", "'", "\"", "%", "@", "`", ":", ": ", "- ", "? ", "#",
        ",", " ", "\t", "\n", "\r", "\0", "~", "<<: ", "\\", "---\n", "...\n", "null", "true", "0", "-1",
        "1e999", ".nan", ".inf", "0x10", "1_000", "010", "99999999999999999999", "16385", "!!int 3",
        "\uFEFF", "é", "\uFFFF", "prefill", "decode", "encoder", "regular", "name", "overrides:",
        "tp_size: 3", "server_groups: []", "[[[[[[[[[[", "{{{{{{{{",
    ];

    private static readonly ModelConfig Config = TestConfigs.Plain;

    /// <summary>Reads <paramref name="count"/> spoilt files; returns how many were refused.</summary>
    public static int Run(int count, int seed)
    {
        Random random = new(seed);
        int refused = 0;
        foreach (string source in Sources.Where((_, index) => index != 1))
            Read(Encoding.UTF8.GetBytes(source), new TopologyFlags());
        for (int index = 0; index < count; index++)
        {
            byte[] spoilt = Spoil(Sources[index % 8 == 7 ? 1 : index % 2 * 2], random);
            TopologyFlags flags = Flags(random);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                Read(spoilt, flags);
            }
            catch (Exception refusal) when (refusal is TopologyException or OptionsException)
            {
                Assert.That(refusal.Message, Has.Length.LessThan(1000), $"seed {seed}, mutation {index}");
                refused++;
            }
            catch (Exception fault)
            {
                Assert.Fail($"seed {seed}, mutation {index}: {fault}\n{Convert.ToBase64String(spoilt)}");
            }
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            if (allocated > MaxAllocatedBytes)
                Assert.Fail($"seed {seed}, mutation {index}: {allocated} bytes allocated for a file of "
                    + $"{spoilt.Length}\n{Convert.ToBase64String(spoilt)}");
        }
        return refused;
    }

    private static void Read(byte[] bytes, TopologyFlags flags)
    {
        Topology plan = new TopologyResolver(flags, TopologyFile.Parse("f", bytes)).Resolve();
        foreach (ServedModel model in plan.Models)
        {
            try
            {
                PlanChecks.ThrowIfUnservable(plan, model, Config);
            }
            catch (TopologyException)
            {
                // A plan may be shown that cannot be loaded: it has been read all the same.
            }
        }
    }

    private static TopologyFlags Flags(Random random) => random.Next(8) != 0 ? new TopologyFlags()
        : new TopologyFlags
        {
            RolloutNumGpus = random.Next(20), RolloutNumGpusPerEngine = random.Next(5),
            Overrides = new Dictionary<string, string>
            {
                [random.Next(2) == 0 ? "page_size" : "dtype"] = Fragments[random.Next(Fragments.Length)],
            },
        };

    private static byte[] Spoil(string source, Random random)
    {
        List<byte> bytes = [.. Encoding.UTF8.GetBytes(source)];
        for (int edits = random.Next(1, 3); edits > 0 && bytes.Count > 1; edits--)
        {
            int at = random.Next(bytes.Count);
            switch (random.Next(8))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes.RemoveRange(at, Math.Min(random.Next(1, 12), bytes.Count - at));
                    break;
                case 2:
                    bytes.InsertRange(at, bytes.GetRange(at, Math.Min(random.Next(1, 80), bytes.Count - at)));
                    break;
                case 3:
                    bytes.InsertRange(at, Encoding.UTF8.GetBytes(Fragments[random.Next(Fragments.Length)]));
                    break;
                default:
                    ReplaceValue(bytes, at, Fragments[random.Next(Fragments.Length)]);
                    break;
            }
        }
        return [.. bytes];
    }

    /// <summary>Puts a fragment where the next value is, so that the file often stays YAML.</summary>
    private static void ReplaceValue(List<byte> bytes, int at, string fragment)
    {
        int start = bytes.IndexOf((byte)':', at) + 1;
        if (start == 0)
            return;
        int end = start;
        while (end < bytes.Count && !",}]\n"u8.Contains(bytes[end]))
            end++;
        bytes.RemoveRange(start, end - start);
        bytes.InsertRange(start, Encoding.UTF8.GetBytes($" {fragment}"));
    }
}
