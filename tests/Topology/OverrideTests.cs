namespace PdEngine.Tests;

/// <summary>Every kind of override: acted on, already so, not yet, or refused.</summary>
public sealed class OverrideTests
{
    private static readonly string[] ActedOn =
    [
        "mem_fraction_static: 0.5", "max_total_tokens: 4096", "max_running_requests: 8",
            "max_queued_requests: 9",
        "chunked_prefill_size: 256", "chunked_prefill_size: -1", "max_prefill_tokens: 512",
            "prefill_max_requests: 2",
        "page_size: 16", "page_size: 1", "context_length: 2048", "disable_radix_cache: true",
        "radix_eviction_policy: lru", "schedule_policy: fcfs", "schedule_policy: lpm",
            "schedule_policy: priority",
        "schedule_policy: routing-key", "schedule_conservativeness: 0.7", "schedule_conservativeness: 2",
        "retraction_policy: priority", "enable_mixed_chunk: true", "num_reserved_decode_tokens: 0",
        "stream_interval: 4", "tp_size: 1", "model_path: /m", "weight_version: v7", "watchdog_timeout: 12.5",
        "quantization: w8a8_int8",
    ];

    private static IEnumerable<OverrideRule> Rules => OverrideTable.All;

    [TestCaseSource(nameof(ActedOn))]
    public void An_override_of_the_engines_is_acted_on(string line)
    {
        Topology plan = Plans.Of(Plans.Override(line));
        ResolvedOverride entry = Plans.OnlyGroup(plan).Overrides.Single();
        Assert.That($"{entry.Key}: {entry.Value}", Is.EqualTo(line));
        Assert.That((entry.Status, entry.Line), Is.EqualTo((OverrideStatus.ActedOn, (int?)7)));
        Assert.That(plan.NotYet, Is.Empty);
    }

    [Test]
    public void Acted_on_overrides_arrive_typed()
    {
        GroupSettings settings = Plans.OnlyGroup(Plans.Of(Plans.Regular(2, "num_gpus_per_engine: 2",
            "overrides:",
            "  page_size: 32", "  mem_fraction_static: 1", "  schedule_policy: lpm",
                "  disable_radix_cache: on",
            "  watchdog_timeout: 9", "  stream_interval: 3", "  weight_version: '12'"))).Settings;
        Assert.That(settings, Is.EqualTo(new GroupSettings
        {
            PageSize = 32, MemFractionStatic = 1, SchedulePolicy = "lpm", DisableRadixCache = true,
            WatchdogTimeoutSecs = 9, StreamInterval = 3, WeightVersion = "12", TpSize = 2,
        }));
    }

    [TestCase("kv_cache_dtype: fp8_e4m3", true)]
    [TestCase("quantization: fp8", true)]
    [TestCase("speculative_algorithm: EAGLE", true)]
    [TestCase("load_format: dummy", true)]
    [TestCase("ep_size: 64", false)]
    [TestCase("schedule_policy: lof", false)]
    [TestCase("radix_eviction_policy: lfu", false)]
    [TestCase("disable_overlap_schedule: true", false)]
    [TestCase("disaggregation_transfer_backend: nixl", false)]
    [TestCase("deepep_mode: low_latency", false)]
    [TestCase("cuda_graph_bs: [1, 2, 4]", false)]
    [TestCase("attention_backend: fa3", false)]
    public void A_known_override_that_asks_for_more_is_listed_as_not_yet(string line, bool changesResults)
    {
        Topology plan = Plans.Of(Plans.Override(line));
        TopologyNotYet item = plan.NotYet.Single();
        Assert.That(item.What, Is.EqualTo(line));
        Assert.That((item.ChangesResults, item.Line), Is.EqualTo((changesResults, (int?)7)));
        Assert.That(item.Where, Does.Contain("'m' group 0 (regular)"));
    }

    [TestCaseSource(nameof(Rules))]
    public void Every_default_is_accepted_as_a_flag_and_asks_for_nothing(object rule)
    {
        OverrideRule known = (OverrideRule)rule;
        Assert.That(known.Harmless, Is.Not.Empty);
        if (known.Key is "model_path" || (known.Kind is OverrideKind.List && known.AcceptsNone))
            return;
        string word = known.Harmless[0] == "null" ? "None" : known.Harmless[0];
        Topology plan = Topology.Resolve(new TopologyFlags
        {
            Overrides = new Dictionary<string, string> { [known.Key] = word },
        });
        Assert.That(plan.NotYet, Is.Empty);
        Assert.That(Plans.OnlyGroup(plan).Overrides.Single().Key, Is.EqualTo(known.Key));
    }

    [TestCase("chunked_prefil_size: 3", "did you mean 'chunked_prefill_size'")]
    [TestCase("tensor_parallel_size: 3", "did you mean 'tp_size'")]
    [TestCase("no_such_thing_at_all: 3", "no override is called")]
    [TestCase("page_size: 48", "power of two")]
    [TestCase("page_size: 512", "power of two")]
    [TestCase("page_size: 16.0", "whole number")]
    [TestCase("page_size: '16'", "whole number")]
    [TestCase("page_size: true", "whole number")]
    [TestCase("page_size: [16]", "whole number")]
    [TestCase("page_size: ~", "whole number")]
    [TestCase("mem_fraction_static: 0", "above 0")]
    [TestCase("mem_fraction_static: 1.01", "above 0")]
    [TestCase("mem_fraction_static: .nan", "a number")]
    [TestCase("max_total_tokens: 0", "from 1 to")]
    [TestCase("max_total_tokens: 3000000000", "from 1 to")]
    [TestCase("chunked_prefill_size: 0", "-1")]
    [TestCase("chunked_prefill_size: -2", "-1")]
    [TestCase("disable_radix_cache: 1", "true or false")]
    [TestCase("disable_radix_cache: maybe", "true or false")]
    [TestCase("schedule_policy: lmp", "did you mean 'lpm'")]
    [TestCase("retraction_policy: age", "length, priority")]
    [TestCase("kv_cache_dtype: int3", "one of")]
    [TestCase("weight_version: 7", "a text")]
    [TestCase("watchdog_timeout: 0", "above 0")]
    [TestCase("disaggregation_mode: prefill", "conflicts with worker_type regular")]
    [TestCase("disaggregation_mode: encode", "one of")]
    [TestCase("tp_size: 2", "num_gpus_per_engine is 1")]
    [TestCase("tp_size: 0", "from 1 to")]
    [TestCase("pp_size: 2", "does not divide")]
    [TestCase("pp_size: 0", "does not divide")]
    [TestCase("dp_size: 2", "enable_dp_attention")]
    [TestCase("page-size: 16\n          page_size: 16", "line 7 already")]
    public void A_bad_override_is_refused_with_its_line(string line, string words)
    {
        TopologyException fault = Plans.FaultOf(Plans.Override(line));
        Assert.That(fault.Message, Does.Contain(words));
        Assert.That(fault.Line, Is.EqualTo(line.Contains('\n', StringComparison.Ordinal) ? 8 : 7));
    }

    [Test]
    public void Dashes_in_names_become_underscores_with_a_warning()
    {
        Topology plan = Plans.Of(Plans.Override("chunked-prefill-size: 64"));
        Assert.That(Plans.OnlyGroup(plan).Settings.ChunkedPrefillSize, Is.EqualTo(64));
        Assert.That(plan.Warnings.Single().Line, Is.EqualTo(7));
        Assert.That(plan.Warnings.Single().Text, Does.Contain("chunked_prefill_size"));
    }

    [TestCase(8, 2, 4)]
    [TestCase(32, 2, 16)]
    [TestCase(4, 1, 4)]
    public void The_tensor_size_is_what_the_pipeline_leaves(int perWorker, int pipeline, int expected)
    {
        Topology plan = Plans.Of(Plans.Regular(perWorker, $"num_gpus_per_engine: {perWorker}", "overrides:",
            $"  pp_size: {pipeline}"));
        Assert.That(Plans.OnlyGroup(plan).Settings.TpSize, Is.EqualTo(expected));
    }

    [Test]
    public void A_group_goes_before_the_flag_and_the_flag_before_the_default()
    {
        TopologyFlags flags = new()
        {
            CoreCount = 64,
            Overrides = new Dictionary<string, string>
            {
                ["chunked_prefill_size"] = "512", ["max_running_requests"] = "7",
                    ["disable_radix_cache"] = "true",
            },
        };
        Topology plan = Plans.Of(Plans.Slime, flags);
        Assert.That(plan.Models[0].Groups.Select(group => group.Settings.ChunkedPrefillSize),
            Is.EqualTo(new int?[] { 8192, 512 }));
        Assert.That(plan.Models[0].Groups.Select(group => group.Settings.MaxRunningRequests),
            Is.EqualTo(new int?[] { 7, 7 }));
        Assert.That(plan.Models[0].Groups.Select(group => group.Settings.DisableRadixCache),
            Is.EqualTo(new[] { true, true }));
        Assert.That(plan.Models[0].Groups.Select(group => group.Settings.NumReservedDecodeTokens),
            Is.EqualTo(new[] { 512, 512 }));
    }

    [TestCase("no_such", "1", "--sglang-no-such")]
    [TestCase("page_size", "x", "whole number")]
    [TestCase("page_size", "3", "power of two")]
    [TestCase("model_path", "/m", "--hf-checkpoint")]
    [TestCase("disaggregation_mode", "prefill", "conflicts")]
    public void A_bad_override_flag_is_refused(string key, string word, string words)
    {
        TopologyFlags flags = new() { Overrides = new Dictionary<string, string> { [key] = word } };
        Assert.That(Assert.Throws<OptionsException>(() => Topology.Resolve(flags))!.Message,
            Does.Contain(words));
    }

    [TestCase("prefill", "prefill")]
    [TestCase("decode", "decode")]
    public void A_mode_that_agrees_with_the_worker_type_is_accepted(string type, string mode)
    {
        string other = type == "prefill" ? "decode" : "prefill";
        Topology plan = Plans.Of(Plans.Model(type, 1, "overrides:", $"  disaggregation_mode: {mode}")
            + $"      - {{worker_type: {other}, num_gpus: 1}}\n");
        Assert.That(plan.NotYet, Is.Empty);
    }

    [TestCase("page_size: 16", "page_size: 32")]
    [TestCase("page_size: 16", "max_running_requests: 3")]
    [TestCase("kv_cache_dtype: fp8_e4m3", "kv_cache_dtype: bf16")]
    public void Groups_that_share_a_pool_must_agree(string prefill, string decode)
    {
        string yaml = Plans.Model("prefill", 1, "overrides:", $"  {prefill}")
            + $"      - worker_type: decode\n        num_gpus: 1\n        overrides:\n          {decode}\n";
        Assert.That(Plans.FaultOf(yaml).Message, Does.Contain("must agree"));
        Assert.That(() => Plans.Of(yaml.Replace(decode, prefill, StringComparison.Ordinal)), Throws.Nothing);
    }

    [Test]
    public void Mixed_chunks_on_a_prefill_group_are_a_warning()
    {
        Topology plan = Plans.Of(Plans.Model("prefill", 1, "overrides:", "  enable_mixed_chunk: true")
            + "      - {worker_type: decode, num_gpus: 1}\n");
        Assert.That(plan.Warnings.Single().Text, Does.Contain("enable_mixed_chunk"));
    }
}
