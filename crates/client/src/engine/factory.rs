//! Factory bootstrap (`dm20.md` §14.3, D50): the image at its configured place is applied once; after a factory reset again.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use omadm_bootstrap::{
    BootstrapFailureCause as Failure, BootstrapMethod, BootstrapSource, ChannelSecurity,
    PayloadHash, Refusal, SealedImage,
};
use omadm_mo::json::JsonLimits;
use omadm_mo::{Secret, TreeError};
use omadm_tls::{DeviceKey, Sealed, SealingError};

use super::{Bootstrapped, Engine};
use crate::observer::ClientEvent;

/// What became of the factory image at a start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FactoryImage {
    /// The policy names none, or turns the method off.
    None,
    /// The one with this hash was applied at an earlier start.
    Before(PayloadHash),
    /// It was applied now; the completion is owed.
    Applied(Bootstrapped),
    /// It was refused; the tree is as it was. Tried again at the next start.
    Refused(Refusal),
}

impl Engine {
    /// Applies the factory image unless it was. The marker is set in the transaction that changes the tree: no cut can part them.
    pub(crate) async fn factory_image(&self) -> Result<FactoryImage, TreeError> {
        let method = BootstrapMethod::Factory;
        let enabled = self.config.policy.method(method).enabled;
        if !enabled || self.config.factory_image.is_none() {
            return Ok(FactoryImage::None);
        }
        if let Some(hash) = self.host.run(|host| host.store.factory_image()).await? {
            return Ok(FactoryImage::Before(hash));
        }
        let document = match self.read_factory_image().await? {
            None => return Ok(FactoryImage::None),
            Some(Ok(document)) => document,
            Some(Err(refusal)) => {
                self.remember(&refusal, method).await;
                self.tell(&ClientEvent::Refused(refusal.clone()));
                return Ok(FactoryImage::Refused(refusal));
            }
        };
        let source = BootstrapSource::FactoryImage;
        let delivered = self.deliver(document, method, source, ChannelSecurity::Local);
        Ok(match delivered.await {
            Ok(done) => FactoryImage::Applied(done),
            Err(refusal) => FactoryImage::Refused(refusal),
        })
    }

    /// The image's document; none where the policy names no image, or turns the method off.
    pub(super) async fn read_factory_image(
        &self,
    ) -> Result<Option<Result<Secret, Refusal>>, TreeError> {
        let enabled = self.config.policy.method(BootstrapMethod::Factory).enabled;
        let Some(file) = self.config.factory_image.clone().filter(|_| enabled) else {
            return Ok(None);
        };
        let (limits, key) = (self.config.limits, self.config.device_key.clone());
        let read = self
            .host
            .run(move |_| Ok(read_image(&file, limits, key.as_deref())));
        read.await.map(Some)
    }
}

/// The document in an image, opened where it is sealed.
fn read_image(file: &Path, limits: JsonLimits, key: Option<&DeviceKey>) -> Result<Secret, Refusal> {
    let unreadable = |why: std::io::Error| {
        let refusal = Failure::ImageUnreadable.refusal();
        refusal.on(file.display()).because(why)
    };
    let longest = SealedImage::longest(limits.octets);
    let mut octets = Vec::new();
    File::open(file)
        .and_then(|open| open.take(longest as u64 + 1).read_to_end(&mut octets))
        .map_err(unreadable)?;
    let image = Secret::new(octets);
    let sealed = SealedImage::is_meant(image.expose());
    let most = if sealed { longest } else { limits.octets };
    if image.len() > most {
        let refusal = Failure::DocumentTooBig.refusal().on(file.display());
        return Err(refusal.because(format!("at most {most} octets are read")));
    }
    if sealed {
        let limits = JsonLimits {
            octets: longest,
            ..limits
        };
        open(image.expose(), limits, key).map_err(|refusal| refusal.on(file.display()))
    } else {
        Ok(image)
    }
}

fn open(image: &[u8], limits: JsonLimits, key: Option<&DeviceKey>) -> Result<Secret, Refusal> {
    let foreign = |why| Failure::NotMoSerialization.refusal().because(why);
    let sealed = SealedImage::read(image, limits).map_err(|why| match why {
        omadm_bootstrap::SealedImageError::Json(why) => Failure::Unparsable.refusal().because(why),
        why => foreign(why),
    })?;
    let key = key.ok_or_else(|| {
        let refusal = Failure::WrongDevice.refusal();
        refusal.because("the image is sealed, and this device has no key of its own")
    })?;
    let own = key.sealing_key().map_err(|why| unusable(&why))?;
    if own.fingerprint() != sealed.recipient {
        let refusal = Failure::WrongDevice.refusal();
        return Err(refusal.because("the image is sealed to the key of another device"));
    }
    let parts = Sealed {
        encapsulated: sealed.encapsulated,
        ciphertext: sealed.ciphertext,
    };
    key.open_sealed(SealedImage::INFO, &parts)
        .map_err(|why| match why {
            SealingError::Kind => unusable(&why),
            _ => Failure::SealBroken.refusal().because(why),
        })
}

fn unusable(why: &SealingError) -> Refusal {
    Failure::UnusableCredential.refusal().because(why)
}
