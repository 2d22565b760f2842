namespace PdEngine.Tests;

/// <summary>The flags: the path without a file, both sums, exclusions, policies.</summary>
public sealed class TopologyFlagTests
{
    private static Topology Resolve(TopologyFlags flags) => Topology.Resolve(flags);

    private static string FaultOf(TopologyFlags flags) =>
        Assert.Throws<OptionsException>(() => Resolve(flags))!.Message;

    [TestCase(8, 1, 1, 1, 7)]
    [TestCase(8, 2, 2, 4, 4)]
    [TestCase(16, 1, 4, 4, 12)]
    public void Prefill_servers_take_their_devices_and_the_rest_decode(
        int devices, int servers, int perWorker, int prefill, int decode)
    {
        Topology plan = Resolve(new TopologyFlags
        {
            RolloutNumGpus = devices, PrefillNumServers = servers, RolloutNumGpusPerEngine = perWorker,
                CoreCount = 64,
        });
        ServedModel model = plan.Models.Single();
        Assert.That(model.Name, Is.EqualTo("default"));
        Assert.That(model.Groups.Select(group => (group.WorkerType, group.DeviceCount,
            group.Workers.Count)), Is.EqualTo(new[]
        {
            (WorkerType.Prefill, prefill, servers), (WorkerType.Decode, decode, decode / perWorker),
        }));
        Assert.That(model.UpdateWeights, Is.True);
    }

    [TestCase(2, 1, 1, 2)]
    [TestCase(16, 1, 1, 16)]
    [TestCase(2, 3, 2, 12)]
    [TestCase(5, 1, 2, 4)]
    public void Without_a_total_the_cores_count_but_at_least_twice_the_prefill_devices(
        int cores, int servers, int perWorker, int expected)
    {
        Topology plan = Resolve(new TopologyFlags
        {
            PrefillNumServers = servers, RolloutNumGpusPerEngine = perWorker, CoreCount = cores,
        });
        Assert.That(plan.DeviceCount, Is.EqualTo(expected));
    }

    [TestCase(2, 2)]
    [TestCase(2, 5)]
    public void Prefill_servers_that_leave_no_decode_devices_are_refused(int devices, int servers) =>
        Assert.That(FaultOf(new TopologyFlags { RolloutNumGpus = devices, PrefillNumServers = servers }),
            Does.Contain($"{servers}").And.Contain($"{devices}").And.Contain("decode"));

    [TestCase(0)]
    [TestCase(-1)]
    public void Fewer_than_one_prefill_server_is_refused(int servers)
    {
        Assert.That(FaultOf(new TopologyFlags { PrefillNumServers = servers }),
            Does.StartWith("--prefill-num-servers"));
        Assert.That(FaultOf(new TopologyFlags { PrefillNumServers = servers, RolloutNumGpus = 0 }),
            Does.StartWith("--prefill-num-servers"));
    }

    [Test]
    public void Decode_devices_that_make_no_whole_worker_are_refused() =>
        Assert.That(FaultOf(new TopologyFlags
        {
            RolloutNumGpus = 5, PrefillNumServers = 1, RolloutNumGpusPerEngine = 2,
        }), Does.Contain("no multiple"));

    [TestCase(null)]
    [TestCase(1)]
    public void No_devices_is_a_router_alone_even_with_prefill_servers(int? servers)
    {
        Topology plan = Resolve(new TopologyFlags { RolloutNumGpus = 0, PrefillNumServers = servers });
        Assert.That(plan.Models.Single().Name, Is.EqualTo("default"));
        Assert.That(plan.Models.Single().Groups, Is.Empty);
        Assert.That(plan.DeviceCount, Is.Zero);
    }

    [TestCase(null, 3, 1)]
    [TestCase(6, 2, 3)]
    public void Without_file_and_prefill_servers_the_plan_is_regular(int? devices, int perWorker, int workers)
    {
        Topology plan = Resolve(new TopologyFlags { RolloutNumGpus = devices,
            RolloutNumGpusPerEngine = perWorker });
        Assert.That(Plans.OnlyGroup(plan).WorkerType, Is.EqualTo(WorkerType.Regular));
        Assert.That(Plans.OnlyGroup(plan).Workers, Has.Count.EqualTo(workers));
    }

    [Test]
    public void File_and_prefill_servers_exclude_each_other_before_the_file_is_opened() =>
        Assert.That(FaultOf(new TopologyFlags { SglangConfig = "absent.yaml", PrefillNumServers = 1 }),
            Does.Contain("--sglang-config"));

    [TestCase(15)]
    [TestCase(17)]
    [TestCase(0)]
    public void A_total_that_is_not_the_files_sum_is_refused_with_both(int devices) =>
        Assert.That(Plans.FaultOf(Plans.Slime, new TopologyFlags { RolloutNumGpus = devices }).Message,
            Does.Contain("16").And.Contain($"--rollout-num-gpus is {devices}"));

    [Test]
    public void A_file_that_is_not_there_is_refused() =>
        Assert.Throws<TopologyException>(() =>
            Resolve(new TopologyFlags { SglangConfig = "no/such/file.yaml" }));

    [Test]
    public void More_devices_than_cores_is_a_warning()
    {
        Topology plan = Plans.Of(Plans.Slime, new TopologyFlags { CoreCount = 2 });
        Assert.That(plan.Warnings.Single().Text, Does.Contain("16").And.Contain("2 cores"));
    }

    [Test]
    public void Policies_default_to_cache_aware_and_each_side_to_the_router()
    {
        Topology plan = Plans.Of(Plans.Slime);
        Assert.That((plan.RouterPolicy, plan.PrefillPolicy, plan.DecodePolicy),
            Is.EqualTo((RouterPolicy.CacheAware, RouterPolicy.CacheAware, RouterPolicy.CacheAware)));
        plan = Plans.Of(Plans.Slime, new TopologyFlags { RouterPolicy = "random",
            DecodePolicy = "power_of_two" });
        Assert.That((plan.RouterPolicy, plan.PrefillPolicy, plan.DecodePolicy),
            Is.EqualTo((RouterPolicy.Random, RouterPolicy.Random, RouterPolicy.PowerOfTwo)));
        Assert.That((plan.ServerConcurrency, plan.RequestTimeoutSecs), Is.EqualTo((512, 14400)));
    }

    [Test]
    public void Every_policy_has_one_name([Values] RouterPolicy policy) =>
        Assert.That(RouterPolicies.Parse("--router-policy", RouterPolicies.Name(policy)), Is.EqualTo(policy));

    [Test]
    public void An_unknown_policy_is_refused_with_the_nearest() =>
        Assert.That(FaultOf(new TopologyFlags { RouterPolicy = "cache-aware" }),
            Does.Contain("did you mean 'cache_aware'"));

    [Test]
    public void Numbers_out_of_range_are_refused()
    {
        Assert.That(FaultOf(new TopologyFlags { RolloutNumGpus = -1 }),
            Does.StartWith("--rollout-num-gpus:"));
        Assert.That(FaultOf(new TopologyFlags { RolloutNumGpusPerEngine = 0 }), Does.Contain("per-engine"));
        Assert.That(FaultOf(new TopologyFlags { ServerConcurrency = 0 }), Does.Contain("concurrency"));
        Assert.That(FaultOf(new TopologyFlags { RequestTimeoutSecs = 0 }), Does.Contain("timeout"));
    }

    [TestCase("--rollout-external", "external")]
    [TestCase("--rollout-external-engine-addrs", "external")]
    [TestCase("--eval-num-gpus", "evaluation")]
    [TestCase("--update-weight-mode", "transport")]
    [TestCase("--update-weight-transfer-mode=p2p", "transport")]
    [TestCase("--sglang-port", "port")]
    [TestCase("--sglang-router-ip", "port")]
    [TestCase("--sglang-disaggregation-bootstrap-port", "port")]
    [TestCase("--num-gpus-per-node", "node")]
    [TestCase("--use-fault-tolerance", "health")]
    [TestCase("--colocate", "trainer")]
    [TestCase("--offload-rollout", "trainer")]
    [TestCase("--actor-num-nodes", "trainer")]
    [TestCase("--rollout-batch-size", "trainer")]
    [TestCase("--prefil-num-servers", "did you mean '--prefill-num-servers'")]
    [TestCase("--rollout-num-gpu", "did you mean '--rollout-num-gpus'")]
    [TestCase("--sglang-pagesize", "did you mean '--sglang-page-size'")]
    [TestCase("--sglang-tp", "did you mean '--sglang-tp-size'")]
    [TestCase("--sglang-model", "did you mean '--hf-checkpoint'")]
    [TestCase("--zzzzzz", "no such flag")]
    public void A_flag_that_is_not_the_engines_is_refused_by_name_with_the_reason(string word, string reason)
    {
        OptionsException refusal = RefusedFlags.Refusal(word);
        Assert.That(refusal.Message, Does.Contain(reason));
        Assert.That(refusal.Option, Is.EqualTo(word.Split('=')[0]));
    }

    [TestCase("--sglang-foo")]
    [TestCase("--sglang-hots")]
    [TestCase("--sglang-prot")]
    [TestCase("--sglang-node-rnk")]
    [TestCase("--sglang-dist-init-adr")]
    public void A_flag_that_is_refused_is_never_proposed(string word)
    {
        string message = RefusedFlags.Refusal(word).Message;
        Assert.That(message, Does.Contain("no such flag").And.Not.Contain("did you mean"));
    }
}
