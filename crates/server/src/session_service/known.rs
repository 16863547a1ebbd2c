//! What the server has of what a command reads, and the cache validator under which it still is that (`dm20.md` §10).

use std::collections::BTreeMap;

use omadm_dm2::media_type::is_mo;
use omadm_dm2::{Command, CommandName};
use omadm_mo::{DevId, ServerUri};
use omadm_session::server::{CacheTarget, KnownInstance, cacheable_target};

use crate::model::{ObjectOwner, QueuedCommand};
use crate::node::Node;
use crate::repository;
use crate::store::StoreError;

/// What a 304 stands for.
pub(super) struct Known {
    /// The validator of the instance that holds the target.
    pub(super) cv: String,
    /// For a GET its result. What an HPUT or HPOST stored lies in the repository.
    pub(super) result: Option<String>,
    /// Whether the result is that of a whole instance.
    pub(super) whole: bool,
}

/// What was kept of one device's answers and uploads.
pub(super) struct Keeping<'a> {
    node: &'a Node,
    dev_id: &'a DevId,
    /// The newest command of the same words whose result came with a validator.
    answers: BTreeMap<Vec<String>, Option<QueuedCommand>>,
    /// Octets of uploads that are still looked at in this exchange: beyond them a device is asked without a validator.
    octets: u64,
}

impl<'a> Keeping<'a> {
    pub(super) fn of(node: &'a Node, dev_id: &'a DevId) -> Self {
        Self {
            node,
            dev_id,
            answers: BTreeMap::new(),
            octets: node.config.limits.body_octets as u64,
        }
    }

    /// What is known of what a command reads; `words` are those it was queued with.
    pub(super) async fn of_target(
        &mut self,
        command: &Command,
        words: &[String],
    ) -> Result<Option<Known>, StoreError> {
        let Some(target) = cacheable_target(command) else {
            return Ok(None);
        };
        match command {
            Command::HPut { server, .. } | Command::HPost { server, .. } => {
                self.of_upload(server, &target).await
            }
            _ if target.is_root() => {
                let answer = self.answer(words.to_vec()).await?;
                Ok(answer.and_then(|answer| {
                    Some(Known {
                        cv: answer.cv.clone()?,
                        result: answer.result.clone(),
                        whole: true,
                    })
                }))
            }
            _ => {
                let known = self.instance(&target).await?;
                Ok(known.and_then(|known| {
                    Some(Known {
                        result: Some(known.part(&target)?),
                        cv: known.cv.as_str().to_owned(),
                        whole: false,
                    })
                }))
            }
        }
    }

    /// An upload is known where the repository holds it, and the validator with it: in it, where it is a whole instance; else in the answer to a GET of the
    /// instance that has the very value that was uploaded.
    async fn of_upload(
        &mut self,
        server: &ServerUri,
        target: &CacheTarget,
    ) -> Result<Option<Known>, StoreError> {
        let Some(path) = repository::path_of(self.node, server) else {
            return Ok(None);
        };
        let Some(object) = self.node.store.object(self.dev_id, path).await? else {
            return Ok(None);
        };
        let head = &object.head;
        let uploaded = head.owner == ObjectOwner::Device && is_mo(&head.media_type);
        let left = self.octets.checked_sub(head.octets);
        let Some(left) = left.filter(|_| uploaded) else {
            return Ok(None);
        };
        self.octets = left;
        let content = repository::content(self.node, self.dev_id, object).await?;
        let Some(content) = content else {
            return Ok(None);
        };
        let limits = self.node.json_limits();
        let known = if target.is_root() {
            KnownInstance::read(&content, limits).filter(|known| target.is_within(&known.at))
        } else {
            let known = self.instance(target).await?;
            known.filter(|known| known.has_part(target, &content, limits))
        };
        Ok(known.map(|known| Known {
            cv: known.cv.as_str().to_owned(),
            result: None,
            whole: false,
        }))
    }

    /// The whole instance that the target belongs to, as a GET of it brought it last.
    async fn instance(
        &mut self,
        target: &CacheTarget,
    ) -> Result<Option<KnownInstance>, StoreError> {
        let limits = self.node.json_limits();
        let uri = target.whole();
        // The slash at the end may be left out behind a MIID.
        let short = target
            .miid
            .as_ref()
            .map(|_| uri.trim_end_matches('/').to_owned());
        for uri in [uri].into_iter().chain(short) {
            let get = vec![CommandName::Get.as_str().to_owned(), uri];
            let answer = self.answer(get).await?;
            let result = answer.and_then(|answer| answer.result.as_ref());
            if let Some(result) = result {
                let known = KnownInstance::read(result.as_bytes(), limits);
                return Ok(known.filter(|known| target.is_within(&known.at)));
            }
        }
        Ok(None)
    }

    async fn answer(&mut self, words: Vec<String>) -> Result<Option<&QueuedCommand>, StoreError> {
        if !self.answers.contains_key(&words) {
            let newest = self.node.store.newest_result(self.dev_id, &words).await?;
            self.answers.insert(words.clone(), newest);
        }
        Ok(self.answers.get(&words).and_then(Option::as_ref))
    }
}
