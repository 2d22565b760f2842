namespace PdEngine.Tests;

/// <summary>Plans that resolve, and that no weights may be loaded for.</summary>
public sealed class PlanCheckTests
{
    private static readonly ModelConfig Config = TestConfigs.Plain with { MaxPositions = 2048 };

    [Test]
    public void What_would_change_results_is_refused_with_every_line()
    {
        const string Yaml = """
            sglang:
              - name: m
                server_groups:
                  - {worker_type: encoder, num_gpus: 1}
                  - worker_type: regular
                    num_gpus: 1
                    overrides:
                      quantization: fp8
                      attention_backend: fa3
                  - worker_type: regular
                    num_gpus: 1
                    overrides:
                      quantization: fp8
            """;
        string message = RefusalOf<TopologyException>(Plans.Of(Yaml)).Message;
        Assert.That(message, Does.StartWith("plan.yaml:4: ").And.Contain("encoder workers")
            .And.Contain("quantization: fp8 (2 groups, lines 8, 13)"));
        Assert.That(message, Does.Not.Contain("attention_backend"), "it changes speed only");
    }

    [Test]
    public void A_flag_that_would_change_results_is_refused_by_its_name()
    {
        Topology plan = Topology.Resolve(new TopologyFlags
        {
            PrefillNumServers = 1, RolloutNumGpus = 2,
            Overrides = new Dictionary<string, string> { ["kv_cache_dtype"] = "fp8_e4m3" },
        });
        OptionsException refusal = RefusalOf<OptionsException>(plan);
        Assert.That(refusal.Option, Is.EqualTo("--sglang-kv-cache-dtype"));
        Assert.That(refusal.Message, Does.Contain("2 groups, by a flag"));
    }

    [Test]
    public void Only_the_service_that_is_loaded_counts()
    {
        Topology plan = Plans.Of("""
            sglang:
              - {name: actor, server_groups: [{worker_type: regular, num_gpus: 1}]}
              - {name: judge, server_groups: [{worker_type: encoder, num_gpus: 1}]}
            """);
        Assert.DoesNotThrow(() => PlanChecks.ThrowIfUnservable(plan, plan.Service("actor"), Config));
        Assert.That(RefusalOf<TopologyException>(plan, "judge").Line, Is.EqualTo(3));
    }

    [TestCase(1, true)]
    [TestCase(2, true)]
    [TestCase(4, true)]
    [TestCase(3, false)]
    [TestCase(8, false)]
    [TestCase(64, false)]
    public void A_worker_has_one_two_or_four_devices(int devices, bool served)
    {
        Topology plan = Plans.Of(Plans.Regular(devices, $"num_gpus_per_engine: {devices}"));
        if (served)
            Assert.DoesNotThrow(() => PlanChecks.ThrowIfUnservable(plan, plan.Service(null), Config));
        else
            Assert.That(RefusalOf<TopologyException>(plan).Message, Does.StartWith("plan.yaml:4: ")
                .And.Contain($"tp_size {devices}").And.Contain("1, 2 or 4"));
    }

    [TestCase("context_length: 4096", "4096 is over the 2048")]
    [TestCase("max_running_requests: 65537", "65537 is over 65536")]
    [TestCase("chunked_prefill_size: 131073", "131073 is over 131072")]
    [TestCase("max_prefill_tokens: 2147483647", "2147483647 is over 131072")]
    public void A_size_beyond_the_checkpoint_or_the_backend_is_refused_at_its_line(
        string line, string words)
    {
        TopologyException refusal = RefusalOf<TopologyException>(Plans.Of(Plans.Override(line)));
        Assert.That(refusal.Line, Is.EqualTo(7));
        Assert.That(refusal.Message, Does.Contain(words).And.Contain("'m' group 0 (regular)"));
    }

    [Test]
    public void A_shorter_context_is_served()
    {
        Topology plan = Plans.Of(Plans.Override("context_length: 2048"));
        Assert.DoesNotThrow(() => PlanChecks.ThrowIfUnservable(plan, plan.Service(null), Config));
    }

    [Test]
    public void A_router_alone_loads_nothing()
    {
        Assert.That(RefusalOf<TopologyException>(Plans.Of("sglang:\n  - name: m\n")).Line, Is.EqualTo(2));
        Assert.That(RefusalOf<OptionsException>(Topology.Resolve(new TopologyFlags { RolloutNumGpus = 0 }))
            .Message, Does.Contain("router alone"));
        Assert.That(RefusalOf<TopologyException>(Plans.Of(Plans.Model("placeholder", 2))).Message,
            Does.Contain("no workers"));
    }

    [Test]
    public void More_devices_than_one_process_can_be_are_refused() =>
        Assert.That(RefusalOf<TopologyException>(Plans.Of(Plans.Regular(1025))).Message,
            Does.Contain("1025").And.Contain("1024"));

    private static T RefusalOf<T>(Topology plan, string? service = null)
        where T : PdEngineException =>
        Assert.Throws<T>(() => PlanChecks.ThrowIfUnservable(plan, plan.Service(service), Config))!;
}
