namespace PdEngine;

/// <summary>The overrides that this engine knows by name and default, and does not act on.</summary>
/// <remarks>
/// A line is: name, kind (i, f, b, s, l), values that ask for nothing new (the first is the default, - is
/// none),
/// and optionally the values a text may have. The first list changes tokens or the memory format when it is
/// left
/// out; the second changes speed, or has no meaning inside one process.
/// </remarks>
internal static class OverrideCatalogue
{
    private const string ChangeResults = """
        allow_auto_truncate b false
        attn_cp_size i 1
        chat_template s -
        completion_template s -
        constrained_json_disable_any_whitespace b false
        constrained_json_whitespace_pattern s -
        custom_weight_loader l -
        dllm_algorithm s -
        dllm_algorithm_config s -
        dp_size i 1
        dtype s auto|bfloat16 auto|half|float16|bfloat16|float|float32
        enable_custom_logit_processor b false
        enable_dp_attention b false
        enable_dp_lm_head b false
        enable_fp32_lm_head b false
        enable_lora b -|false
        enable_multimodal b -|false
        enable_multi_layer_eagle b false
        enable_quant_communications b false
        enable_return_hidden_states b false
        enable_return_routed_experts b false
        encoder_only b false
        encoder_urls l -
        flashinfer_mxfp4_moe_precision s default default|bf16
        hf_chat_template_name s -
        hierarchical_sparse_attention_extra_config s -
        is_embedding b false
        json_model_override_args s {}
        kt_method s AMXINT4
        kt_weight_path s -
        kv_cache_dtype s auto|bf16|bfloat16 auto|fp8_e5m2|fp8_e4m3|bf16|bfloat16|fp4_e2m1
        language_only b false
        load_format s auto
        lora_paths l -
        lora_target_modules l -
        mamba_ssm_dtype s float32
        max_lora_rank i -
        model_checksum s -
        model_impl s auto
        model_loader_extra_config s {}
        modelopt_checkpoint_restore_path s -
        modelopt_quant s -
        moe_dp_size i 1
        multi_item_scoring_delimiter i -
        pp_size i 1
        preferred_sampling_params s -
        quantization_param_path s -
        quantize_and_serve b false
        random_seed i -
        reasoning_parser s -
        revision s -
        rl_on_policy_target s -
        rl_quant_profile s -
        sampling_defaults s model openai|model
        skip_tokenizer_init b false
        speculative_accept_threshold_acc f 1
        speculative_accept_threshold_single f 1
        speculative_algorithm s -
        speculative_draft_load_format s -
        speculative_draft_model_path s -
        speculative_draft_model_quantization s -
        speculative_draft_model_revision s -
        speculative_eagle_topk i -
        speculative_num_draft_tokens i -
        speculative_num_steps i -
        speculative_token_map s -
        tokenizer_mode s auto auto|slow
        tokenizer_path s -
        tool_call_parser s -
        torchao_config s -
        """;

    private const string ChangeSpeed = """
        abort_on_priority_when_disabled b false
        admin_api_key s -
        api_key s -
        attention_backend s -
        base_gpu_id i 0
        bucket_e2e_request_latency l -
        bucket_inter_token_latency l -
        bucket_time_to_first_token l -
        checkpoint_engine_wait_weights_before_ready b false
        collect_tokens_histogram b false
        cpu_offload_gb i 0
        crash_dump_folder s -
        cuda_graph_bs l -
        cuda_graph_max_bs i -
        custom_sigquit_handler s -
        debug_tensor_dump_input_file s -
        debug_tensor_dump_layers l -
        debug_tensor_dump_output_folder s -
        decode_attention_backend s -
        decode_log_interval i 40
        deepep_config s -
        deepep_dispatcher_output_dtype s auto
        deepep_mode s auto normal|low_latency|auto
        delete_ckpt_after_loading b false
        device s -|cpu
        disable_chunked_prefix_cache b false
        disable_cuda_graph b false
        disable_cuda_graph_padding b false
        disable_custom_all_reduce b false
        disable_fast_image_processor b false
        disable_flashinfer_autotune b false
        disable_flashinfer_cutlass_moe_fp4_allgather b false
        disable_hybrid_swa_memory b false
        disable_outlines_disk_cache b false
        disable_overlap_schedule b false
        disable_piecewise_cuda_graph b false
        disable_shared_experts_fusion b false
        disable_tokenizer_batch_decode b false
        disaggregation_bootstrap_port i 8998
        disaggregation_decode_enable_offload_kvcache b false
        disaggregation_decode_enable_radix_cache b false|true
        disaggregation_decode_extra_slots i -
        disaggregation_decode_polling_interval i 1
        disaggregation_ib_device s -
        disaggregation_transfer_backend s mooncake mooncake|nixl|ascend|mori|fake
        dist_init_addr s -
        dist_timeout i -
        download_dir s -
        dynamic_batch_tokenizer_batch_size i 32
        dynamic_batch_tokenizer_batch_timeout f 0.002
        elastic_ep_backend s -|none
        enable_cache_report b false|true
        enable_deterministic_inference b false|true
        enable_draft_weights_cpu_backup b false
        enable_dynamic_batch_tokenizer b false
        enable_dynamic_chunking b false
        enable_elastic_expert_backup b false
        enable_eplb b false
        enable_expert_distribution_metrics b false
        enable_flashinfer_allreduce_fusion b false
        enable_hierarchical_cache b false
        enable_layerwise_nvtx_marker b false
        enable_lmcache b false
        enable_lora_overlap_loading b -|false
        enable_memory_saver b false
        enable_metrics b false|true
        enable_metrics_for_all_schedulers b false
        enable_mfu_metrics b false
        enable_mscclpp b false
        enable_nan_detection b false
        enable_nccl_nvls b false
        enable_p2p_check b false
        enable_pdmux b false
        enable_prefill_delayer b false
        enable_priority_scheduling b false
        enable_profile_cuda_graph b false
        enable_request_time_stats_logging b false
        enable_single_batch_overlap b false
        enable_symm_mem b false
        enable_tokenizer_batch_encode b false
        enable_torch_compile b false
        enable_torch_symm_mem b false
        enable_trace b false
        enable_two_batch_overlap b false
        enable_weights_cpu_backup b false
        encoder_transfer_backend s zmq_to_scheduler zmq_to_scheduler|zmq_to_tokenizer|mooncake
        enforce_piecewise_cuda_graph b false
        ep_dispatch_algorithm s -
        ep_num_redundant_experts i 0
        ep_size i 1
        eplb_algorithm s auto
        eplb_min_rebalancing_utilization_threshold f 1
        eplb_rebalance_layers_per_chunk i -
        eplb_rebalance_num_iterations i 1000
        expert_distribution_recorder_buffer_size i -
        expert_distribution_recorder_mode s -
        export_metrics_to_file b false
        export_metrics_to_file_dir s -
        fastapi_root_path s -
        file_storage_path s sglang_storage
        flashinfer_mla_disable_ragged b false
        fp4_gemm_backend s flashinfer_cutlass
        fp8_gemm_backend s auto
        gc_warning_threshold_secs f 0
        generation_tokens_buckets l -
        gpu_id_step i 1
        grammar_backend s -
        grpc_mode b false
        hicache_io_backend s kernel
        hicache_mem_layout s layer_first
        hicache_ratio f 2
        hicache_size i 0
        hicache_storage_backend s -
        hicache_storage_backend_extra_config s -
        hicache_storage_prefetch_policy s best_effort
        hicache_write_policy s write_through write_back|write_through|write_through_selective
        host s 127.0.0.1
        incremental_streaming_output b false
        init_expert_location s trivial
        keep_mm_feature_on_device b false
        kt_cpuinfer i -
        kt_max_deferred_experts_per_token i -
        kt_num_gpu_experts i -
        kt_threadpool_count i 2
        kv_events_config s -
        load_balance_method s auto auto|round_robin|follow_bootstrap_room|total_requests|total_tokens
        log_level s info
        log_level_http s -
        log_requests b false
        log_requests_format s text
        log_requests_level i 2
        log_requests_target l -
        lora_backend s csgmv
        lora_drain_wait_threshold f 0
        lora_eviction_policy s lru lru|fifo
        mamba_full_memory_ratio f 0.9
        mamba_scheduler_strategy s auto
        mamba_track_interval i 256
        manual_divisions l -
        max_loaded_loras i -
        max_lora_chunk_size i 16
        max_loras_per_batch i 8
        max_mamba_cache_size i -
        mm_attention_backend s -
        moe_a2a_backend s none none|deepep|mooncake|mori|nixl|ascend_fuseep
        moe_dense_tp_size i -
        moe_runner_backend s auto
        mooncake_ib_device s -
        nccl_port i -
        nnodes i 1
        node_rank i 0
        num_continuous_decode_steps i 1
        numa_node l -
        offload_group_size i -1
        offload_mode s cpu
        offload_num_in_group i 1
        offload_prefetch_step i 1
        optimistic_prefill_retries i 0
        otlp_traces_endpoint s localhost:4317
        pdmux_config_path s -
        piecewise_cuda_graph_compiler s eager
        piecewise_cuda_graph_max_tokens i 4096
        piecewise_cuda_graph_tokens l -
        port i 30000
        pp_async_batch_depth i 0
        pp_max_micro_batch_size i -
        prefill_attention_backend s -
        prefill_decode_interval i 0
        prefill_delayer_max_delay_passes i 30
        prefill_delayer_token_usage_low_watermark f -
        priority_scheduling_preemption_threshold i 10
        prompt_tokens_buckets l -
        sampling_backend s -
        schedule_low_priority_values_first b false
        scheduler_recv_interval i 1
        served_model_name s -
        show_time_cost b false
        skip_server_warmup b false|true
        sleep_on_idle b false
        sm_group_num i 8
        soft_watchdog_timeout f -
        speculative_attention_mode s prefill prefill|decode
        speculative_draft_attention_backend s -
        speculative_moe_a2a_backend s -
        speculative_moe_runner_backend s -
        speculative_ngram_capacity i 10000000
        speculative_ngram_match_type s BFS BFS|PROB
        speculative_ngram_max_bfs_breadth i 10
        speculative_ngram_max_trie_depth i 18
        speculative_ngram_min_bfs_breadth i 1
        swa_full_tokens_ratio f 0.8
        tbo_token_distribution_threshold f 0.48
        tokenizer_worker_num i 1
        tool_server s -
        torch_compile_max_bs i 32
        triton_attention_num_kv_splits i 8
        triton_attention_reduce_in_fp32 b false
        triton_attention_split_tile_size i -
        trust_remote_code b false|true
        warmups s -
        """;

    public static IEnumerable<OverrideRule> Rules() =>
        Parse(ChangeResults, changesResults: true).Concat(Parse(ChangeSpeed, changesResults: false));

    private static IEnumerable<OverrideRule> Parse(string table, bool changesResults)
    {
        foreach (string line in table.Split('\n'))
        {
            string[] columns = line.Split(' ');
            yield return new OverrideRule
            {
                Key = columns[0],
                Kind = columns[1] switch
                {
                    "i" => OverrideKind.Int,
                    "f" => OverrideKind.Float,
                    "b" => OverrideKind.Bool,
                    "s" => OverrideKind.Text,
                    _ => OverrideKind.List,
                },
                Harmless = [.. columns[2].Split('|').Select(value => value == "-" ? "null" : value)],
                Choices = columns.Length > 3 ? columns[3].Split('|') : [],
                ChangesResults = changesResults,
            };
        }
    }
}
