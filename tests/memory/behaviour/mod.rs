//! What every store does. Each case is written once, from what `memory::MemoryStore` says, and runs
//! on each store.

mod clearance;
mod drawing;
mod erasing;
mod hostile;
mod isolation;
mod lifetimes;
mod metadata;
mod pruning;
mod quotas;
mod reading;
mod searching;
mod sequences;
pub(crate) mod stage;
mod versions;
mod writing;

/// One test for each case on each store: `behaviour::on::sqlite::quotas::a_quota_…`.
macro_rules! on_every_store {
    ($($concern:ident { $($case:ident),* $(,)? })*) => {
        mod on {
            on_every_store!(@store reference { $($concern { $($case),* })* });
            on_every_store!(@store sqlite { $($concern { $($case),* })* });
            on_every_store!(@store postgres { $($concern { $($case),* })* });
        }
    };
    (@store $store:ident { $($concern:ident { $($case:ident),* })* }) => {
        mod $store {
            $(mod $concern {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    use crate::behaviour::{$concern, stage::Stage};
                    $concern::$case(&Stage::$store().await).await;
                })*
            })*
        }
    };
}

on_every_store! {
    clearance {
        every_reading_stops_at_the_clearance,
        what_is_above_the_clearance_is_not_changed,
        nobody_writes_above_its_clearance,
        hidden_entries_take_no_room_on_a_page,
        of_shared_memory_counts_what_a_caller_sees,
    }
    erasing {
        an_erased_tenant_holds_nothing_and_its_neighbour_all,
        an_erased_user_is_gone_and_unnamed_in_what_is_shared,
    }
    hostile {
        any_text_comes_back_as_it_was_and_names_only_itself,
        long_texts_and_names_are_kept_whole,
    }
    isolation {
        nobody_in_another_tenant_changes_an_answer,
        no_other_user_changes_an_answer,
    }
    lifetimes {
        an_entry_is_there_until_its_expiry_and_not_from_then_on,
        what_has_expired_is_not_changed_and_frees_its_key,
        a_write_begins_the_lifetime_anew_and_a_recall_does_not,
        a_refresh_moves_the_expiry_of_own_entries_that_have_one,
        a_sweep_removes_what_has_expired_up_to_its_limit,
    }
    metadata {
        values_are_equal_as_json,
        an_order_is_between_two_numbers_or_two_texts,
        a_member_is_found_by_its_names_whatever_they_hold,
        a_member_of_what_is_no_object_is_not_there,
        all_conditions_have_to_hold,
    }
    pruning {
        what_was_not_used_since_is_let_go_of,
        what_matters_less_is_let_go_of,
        strength_halves_with_each_half_life_that_nobody_recalls,
        the_strongest_then_most_important_then_newest_are_kept,
        every_part_that_is_said_has_to_fit,
        only_memories_of_that_one_namespace_are_let_go_of,
        the_count_is_exact_beyond_the_ids_that_are_answered,
    }
    quotas {
        a_user_keeps_as_many_entries_as_its_quota_and_no_more,
        bytes_count_with_those_of_versions_up_to_the_last_one,
        an_entry_and_each_version_of_it_that_is_kept_count_with_their_rows,
        a_tenants_quota_counts_all_of_its_namespaces,
        who_is_above_a_quota_deletes_and_does_not_grow,
        a_quota_that_is_passed_within_a_write_undoes_all_of_it,
        of_many_writers_at_once_as_many_pass_as_there_is_room,
    }
    reading {
        a_reach_holds_what_is_own_and_shared_and_nothing_else,
        users_whose_ids_look_alike_are_strangers,
        an_address_is_found_in_the_own_namespace_before_the_shared_one,
        every_order_is_the_one_it_says,
        pages_by_position_hold_everything_once,
        skip_and_limit_cut_a_list,
        every_part_of_a_filter_narrows,
        a_path_is_below_another_only_label_by_label,
        partitions_count_the_memories_of_each_agent_and_session,
        a_recall_is_counted_and_changes_no_version,
        a_namespace_uses_what_its_entries_and_versions_hold,
    }
    searching {
        texts_are_found_by_any_term_with_their_scores_best_first,
        a_score_does_not_depend_on_anybody_else,
        own_and_shared_texts_are_each_scored_by_their_own_namespace,
        content_summary_and_keywords_are_searched_as_they_are_by_now,
        a_filter_narrows_before_the_best_are_taken,
        what_is_hidden_or_elsewhere_takes_no_ones_place,
        queries_in_the_syntax_of_a_search_engine_are_words,
        texts_are_found_in_any_script,
        the_nearest_vectors_come_first_and_equal_ones_by_id,
        all_embeddings_of_a_namespace_have_the_dimensions_of_the_first,
        a_vector_that_is_replaced_or_taken_away_is_not_found,
    }
    sequences {
        any_sequence_of_calls_is_answered_as_by_the_plain_store,
    }
    versions {
        every_write_is_a_version_with_its_author_time_and_place,
        at_most_so_many_versions_are_kept_and_the_last_ones,
        versions_above_the_clearance_are_left_out,
    }
    writing {
        a_created_entry_is_read_back_as_it_was_written,
        a_creation_that_is_repeated_answers_the_entry_there_is,
        another_creation_at_a_taken_key_is_a_conflict,
        one_key_stands_once_in_each_namespace_area_and_path,
        entries_without_a_key_never_stand_in_each_others_way,
        a_put_makes_what_is_missing_and_replaces_what_is_there,
        a_change_whose_condition_does_not_hold_changes_nothing,
        a_replacement_changes_or_takes_away_the_key,
        a_move_is_a_version_and_stays_out_of_taken_places,
        a_write_of_many_changes_happens_whole_or_not_at_all,
        a_deleted_entry_is_gone_with_its_history_and_frees_its_key,
        nothing_of_another_namespace_is_changed,
        an_import_keeps_when_an_entry_was_created,
        of_writers_at_one_version_exactly_one_wins,
        of_creators_of_one_key_exactly_one_creates_it,
    }
}
