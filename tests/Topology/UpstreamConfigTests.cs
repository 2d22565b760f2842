using System.Text.RegularExpressions;

namespace PdEngine.Tests;

/// <summary>
/// What slime's and Miles's own tests of their configuration hold, as far as their flags exist here, and
/// files of the kind that they run in production.
/// </summary>
public sealed partial class UpstreamConfigTests
{
    /// <summary>The shape of slime's largest published run: four times 64 devices.</summary>
    private const string Production = """
        sglang:
          - name: actor
            server_groups:
              - worker_type: prefill
                num_gpus: 64
                num_gpus_per_engine: 64
                overrides: &wide
                  chunked_prefill_size: 131072
                  max_running_requests: 512
                  page_size: 64
                  dp_size: 64
                  ep_size: 64
                  enable_dp_attention: true
                  moe_a2a_backend: deepep
                  deepep_mode: auto
                  kv_cache_dtype: fp8_e4m3
                  speculative_algorithm: EAGLE
                  speculative_num_steps: 4
                  speculative_eagle_topk: 1
                  speculative_num_draft_tokens: 5
              - worker_type: decode
                num_gpus: 192
                num_gpus_per_engine: 64
                overrides:
                  max_running_requests: 768
                  cuda_graph_max_bs: 12
                  page_size: 64
                  kv_cache_dtype: fp8_e4m3
                  deepep_mode: low_latency
                  moe_runner_backend: deep_gemm
                  disable_overlap_schedule: true
        """;

    private static readonly string[] OverridesOfSection2 =
    [
        "mem_fraction_static", "max_total_tokens", "max_running_requests", "max_queued_requests",
        "chunked_prefill_size", "max_prefill_tokens", "prefill_max_requests", "page_size", "context_length",
        "disable_radix_cache", "radix_eviction_policy", "schedule_policy", "schedule_conservativeness",
        "retraction_policy", "kv_cache_dtype", "dtype", "quantization", "load_format", "tp_size", "pp_size",
        "dp_size", "ep_size", "attn_cp_size", "moe_dp_size", "enable_dp_attention", "enable_dp_lm_head",
        "moe_dense_tp_size", "moe_a2a_backend", "deepep_mode", "enable_eplb", "load_balance_method",
        "attention_backend", "prefill_attention_backend", "decode_attention_backend", "cuda_graph_max_bs",
        "cuda_graph_bs", "disable_cuda_graph", "disable_overlap_schedule", "num_continuous_decode_steps",
        "stream_interval", "prefill_decode_interval", "enable_mixed_chunk", "speculative_algorithm",
        "speculative_num_steps", "speculative_eagle_topk", "speculative_num_draft_tokens",
        "speculative_draft_model_path", "speculative_accept_threshold_single",
        "speculative_accept_threshold_acc", "enable_hierarchical_cache", "hicache_ratio",
        "hicache_write_policy", "enable_memory_saver", "enable_weights_cpu_backup",
        "enable_deterministic_inference", "rl_on_policy_target", "random_seed",
        "enable_return_routed_experts", "weight_version", "enable_lora", "max_loras_per_batch",
        "lora_backend", "enable_metrics", "enable_trace", "kv_events_config", "watchdog_timeout",
        "num_reserved_decode_tokens", "disaggregation_mode", "disaggregation_transfer_backend",
        "disaggregation_bootstrap_port", "disaggregation_ib_device",
        "disaggregation_decode_enable_radix_cache", "disaggregation_decode_enable_offload_kvcache",
        "disaggregation_decode_extra_slots", "disaggregation_decode_polling_interval",
        "optimistic_prefill_retries", "encoder_only", "language_only", "encoder_urls",
        "encoder_transfer_backend", "enable_pdmux", "sm_group_num", "manual_divisions", "model_path",
    ];

    private static readonly string[] FlagsWithoutMeaning =
    [
        "--rollout-external", "--rollout-external-engine-addrs", "--num-gpus-per-node", "--colocate",
        "--offload", "--offload-rollout", "--offload-train", "--use-fault-tolerance",
        "--rollout-health-check-interval", "--rollout-health-check-timeout",
        "--rollout-health-check-first-wait", "--update-weight-buffer-size", "--update-weight-mode",
        "--update-weight-transport", "--update-weight-disk-dir", "--update-weight-local-checkpoint-dir",
        "--update-weight-delta-encoding", "--update-weight-delta-checksum",
        "--update-weight-transfer-mode", "--release-train", "--pause-generation-mode",
        "--over-sampling-batch-size", "--dynamic-sampling-filter-path", "--partial-rollout",
        "--mask-offpolicy-in-partial-rollout", "--fully-async", "--max-weight-staleness",
        "--async-max-concurrent-samples", "--async-data-buffer-capacity-factor",
        "--async-unused-samples-handler", "--eval-num-gpus", "--eval-num-gpus-per-engine",
        "--eval-max-in-flight", "--true-on-policy-mode", "--recompute-logprobs-via-prefill",
        "--use-rollout-routing-replay", "--use-rollout-indexer-replay", "--sglang-port", "--sglang-host",
        "--sglang-router-ip", "--sglang-router-port", "--sglang-nnodes", "--sglang-node-rank",
        "--sglang-base-gpu-id", "--rollout-batch-size", "--n-samples-per-prompt",
    ];

    [TestCaseSource(nameof(OverridesOfSection2))]
    public void Every_override_of_the_research_is_known(string key) =>
        Assert.That(OverrideTable.Find(key), Is.Not.Null);

    [TestCaseSource(nameof(FlagsWithoutMeaning))]
    public void Every_flag_without_meaning_here_is_refused_with_its_reason(string flag) =>
        Assert.That(RefusedFlags.Refusal(flag).Message, Does.StartWith($"{flag}: refused: "));

    [Test]
    public void A_production_file_resolves_and_says_what_is_not_there_yet()
    {
        Topology plan = Plans.Of(Production, new TopologyFlags { RolloutNumGpus = 256, CoreCount = 256 });
        Assert.That(plan.Models[0].Groups.Select(group => group.Workers.Count), Is.EqualTo(new[] { 1, 3 }));
        Assert.That(plan.Models[0].Groups[0].Settings.ChunkedPrefillSize, Is.EqualTo(131072));
        Assert.That(plan.Models[0].Groups.Select(group => group.Settings.MaxRunningRequests),
            Is.EqualTo(new int?[] { 512, 768 }));
        TopologyException refusal = Assert.Throws<TopologyException>(
            () => PlanChecks.ThrowIfNotYet(plan, plan.Service(null)))!;
        string[] lines = Production.Split('\n');
        Assert.That(refusal.Message, Does.Contain("kv_cache_dtype: fp8_e4m3 (2 groups, lines "
            + $"{Line("kv_cache_dtype")}, {Array.FindLastIndex(lines, Has("kv_cache_dtype")) + 1})"));
        foreach (string key in new[] { "dp_size", "speculative_algorithm", "speculative_num_steps" })
            Assert.That(refusal.Message, Does.Contain($"{key}: ").And.Contain($"line {Line(key)})"));
        Assert.That(refusal.Message, Does.Not.Contain("deepep").And.Not.Contain("cuda_graph"));

        int Line(string key) => Array.FindIndex(lines, Has(key)) + 1;
        static Predicate<string> Has(string key) =>
            line => line.Contains($"{key}:", StringComparison.Ordinal);
    }

    [Test]
    public void Without_a_file_all_devices_are_regular_workers()
    {
        Topology plan = Topology.Resolve(new TopologyFlags { RolloutNumGpus = 8, CoreCount = 64 });
        Assert.That(plan.Models.Single().Name, Is.EqualTo("default"));
        Assert.That((Plans.OnlyGroup(plan).WorkerType, plan.DeviceCount),
            Is.EqualTo((WorkerType.Regular, 8)));
        Assert.That(plan.Models[0].IsDisaggregated, Is.False);
    }

    [Test]
    public void Half_the_devices_may_prefill()
    {
        Topology plan = Topology.Resolve(new TopologyFlags
        {
            RolloutNumGpus = 8, PrefillNumServers = 4, CoreCount = 64,
        });
        Assert.That(plan.Models[0].Groups.Select(group => (group.WorkerType, group.DeviceCount)),
            Is.EqualTo(new[] { (WorkerType.Prefill, 4), (WorkerType.Decode, 4) }));
        Assert.That(plan.Models[0].IsDisaggregated, Is.True);
    }

    [Test]
    public void An_actor_and_a_frozen_reference_add_up_and_keep_their_weights_apart()
    {
        const string Yaml = """
            sglang:
              - name: actor
                update_weights: true
                engine_groups: [{worker_type: regular, num_gpus: 8}]
              - name: ref
                update_weights: false
                model_path: /path/to/ref
                server_groups: [{worker_type: regular, num_gpus: 4}]
            """;
        TopologyFlags flags = new() { RolloutNumGpus = 12, HfCheckpoint = "/hf", CoreCount = 64 };
        Topology plan = Plans.Of(Yaml, flags);
        Assert.That(plan.Models.Select(model => (model.Name, model.UpdateWeights, model.ModelPath)),
            Is.EqualTo(new (string, bool, string?)[]
            {
                ("actor", true, "/hf"), ("ref", false, "/path/to/ref"),
            }));
        Assert.That(plan.DeviceCount, Is.EqualTo(12));
        Assert.That(plan.Service(null).Name, Is.EqualTo("actor"));
        Assert.That(plan.Warnings, Is.Empty, "both said what they want");
    }

    [TestCase("/actor", "", true)]
    [TestCase("/ref", "", false)]
    [TestCase("/actor", "update_weights: false", false)]
    [TestCase("/ref", "update_weights: true", true)]
    public void Weight_updates_reach_the_trained_checkpoint_unless_the_file_says_otherwise(
        string path, string written, bool updates)
    {
        string line = written.Length == 0 ? "" : $"    {written}\n";
        Topology plan = Plans.Of($"sglang:\n  - name: m\n    model_path: {path}\n{line}",
            new TopologyFlags { HfCheckpoint = "/actor" });
        Assert.That(plan.Models[0].UpdateWeights, Is.EqualTo(updates));
        Assert.That(plan.Warnings, Has.Count.EqualTo(path == "/ref" && written.Length == 0 ? 1 : 0));
    }

    [TestCase("regular")]
    [TestCase("placeholder")]
    [TestCase("encoder")]
    public void Every_worker_type_that_stands_alone_is_accepted(string type) =>
        Assert.That(Plans.OnlyGroup(Plans.Of(Plans.Model(type, 4))).DeviceCount, Is.EqualTo(4));

    [TestCase("prefill", "decode")]
    [TestCase("decode", "prefill")]
    public void Every_worker_type_of_a_pair_is_accepted(string first, string second) =>
        Assert.That(Plans.Of(Plans.Model(first, 4)
            + $"      - {{worker_type: {second}, num_gpus: 4}}\n").Models[0].IsDisaggregated, Is.True);

    [Test]
    public void Data_parallel_attention_takes_its_ranks_from_the_tensor_ranks()
    {
        Topology plan = Topology.Resolve(new TopologyFlags
        {
            RolloutNumGpus = 4, RolloutNumGpusPerEngine = 4, CoreCount = 64,
            Overrides = new Dictionary<string, string>
            {
                ["dp_size"] = "2", ["pp_size"] = "2", ["ep_size"] = "4", ["enable_dp_attention"] = "true",
            },
        });
        Assert.That(Plans.OnlyGroup(plan).Settings.TpSize, Is.EqualTo(2));
        Assert.That(plan.NotYet.Select(item => Word().Match(item.What).Value), Is.EquivalentTo(
            new[] { "dp_size", "enable_dp_attention", "ep_size", "pp_size" }));
    }

    [TestCase("tensor_parallel_size", "tp_size")]
    [TestCase("pipeline_parallel_size", "pp_size")]
    [TestCase("data_parallel_size", "dp_size")]
    [TestCase("expert_parallel_size", "ep_size")]
    public void The_long_names_of_sizes_are_names_of_flags_alone(string name, string key)
    {
        Assert.That(OverrideTable.LongNamesOf(key), Is.EqualTo(new[] { name }));
        Assert.That(Plans.FaultOf(Plans.Override($"{name}: 1")).Message, Does.Contain($"'{key}'"));
    }

    [GeneratedRegex("^[a-z_]+")]
    private static partial Regex Word();
}
